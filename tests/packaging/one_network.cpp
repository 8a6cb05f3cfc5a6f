// A library that has LeMoRe alone: its file runs, a SegFormer's is refused by name.
#include <iostream>
#include <string>

#include "lemore/session.h"

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const auto model = lemore::Model::load(argv[1]);
  if (!model.ok()) return std::cerr << model.status().message() << '\n', 1;
  const auto session = lemore::Session::create(*model);
  if (!session.ok()) return std::cerr << session.status().message() << '\n', 1;
  const auto other = lemore::Model::load(argv[2]);
  const std::string& message = other.status().message();
  std::cout << message << '\n';
  const bool is_named =
      message.find("'segformer'") != std::string::npos && message.find("'lemore'") != std::string::npos;
  return !other.ok() && other.status().code() == lemore::StatusCode::unsupported && is_named ? 0 : 1;
}
