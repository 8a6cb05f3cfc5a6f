#include "suggest.h"

#include <catch2/catch.hpp>

using namespace lemore::cli;

TEST_CASE("the nearest word is the one that was meant", "[suggest]") {
  const std::vector<std::string> commands = {"run", "info", "compare", "eval", "bench", "embed", "help"};
  CHECK(nearest("rnu", commands) == "run");
  CHECK(nearest("RUN", commands) == "run");
  CHECK(nearest("inof", commands) == "info");
  CHECK(nearest("evaluate", commands) == "eval");
  CHECK(nearest("benchmark", commands) == "bench");
  CHECK(nearest("comp", commands) == "compare");
  CHECK(nearest("frobnicate", commands).empty());
  CHECK(nearest("x", commands).empty());
  CHECK(nearest("", commands).empty());
  CHECK(nearest(std::string(100000, 'r'), commands).empty());
  const std::vector<std::string> options = {"--model", "--mode", "--opacity", "--only", "--json"};
  CHECK(nearest("--moddel", options) == "--model");
  CHECK(nearest("--opactiy", options) == "--opacity");
  CHECK(nearest("--jsn", options) == "--json");
  CHECK(nearest("--zzz", options).empty());
  CHECK(did_you_mean("rnu", commands) == "; did you mean run?");
  CHECK(did_you_mean("zzz", commands).empty());
  CHECK(joined_with_or({"a"}) == "a");
  CHECK(joined_with_or({"a", "b", "c"}) == "a, b or c");
}
