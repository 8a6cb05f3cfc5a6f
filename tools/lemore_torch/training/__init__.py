"""What tools/train.py is made of."""
