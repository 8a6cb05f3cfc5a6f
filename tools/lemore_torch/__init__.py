"""LeMoRe in PyTorch: the reference the C++ library is checked against, and the training form of its weights."""
