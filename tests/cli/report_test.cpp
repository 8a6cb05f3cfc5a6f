#include "report.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <string>

#include "readable_json.h"

using namespace lemore::cli;
using Json = nlohmann::ordered_json;

TEST_CASE("one_line shows what a terminal would act on", "[report]") {
  CHECK(one_line("plain Straße дорога 道路 \xF0\x9F\x9A\x97") == "plain Straße дорога 道路 \xF0\x9F\x9A\x97");
  CHECK(one_line("a\nb\tc\x1B[31m\x7F") == "a\\nb\\x09c\\x1B[31m\\x7F");
  CHECK(one_line("\xC2\x9B"
                 "31m") == "\\u009B31m");
  CHECK(one_line("\xE2\x80\xAE"
                 "gpj.exe") == "\\u202Egpj.exe");
  // No UTF-8: alone, cut short, overlong, a surrogate, too large.
  CHECK(one_line("\x9B") == "\\x9B");
  CHECK(one_line("\xC3") == "\\xC3");
  CHECK(one_line("\xC0\xAF") == "\\xC0\\xAF");
  CHECK(one_line("\xED\xA0\x80") == "\\xED\\xA0\\x80");
  CHECK(one_line("\xF4\x90\x80\x80") == "\\xF4\\x90\\x80\\x80");
  CHECK(one_line(std::string("a\0b", 3)) == "a\\x00b");
}

TEST_CASE("columns are counted as a terminal shows them", "[report]") {
  CHECK(text_columns("Straße") == 6);
  CHECK(text_columns("道路") == 4);
  CHECK(text_columns("보도") == 4);
  CHECK(text_columns("e\xCC\x81t\xC3\xA9") == 3);  // an accent of its own, and one with its letter
  CHECK(text_columns("\xFF\xFE") == 2);
  CHECK(padded("道路", 6) == "道路  ");
  CHECK(padded("道路", 3) == "道路");
}

TEST_CASE("JSON is readable and safe to print", "[report]") {
  const Json json = {{"a\x1B", "\xC2\x9B\x7F\xFF"}, {"list", {1, 2}}};
  const std::string text = json_text(json, -1);
  CHECK(text == "{\"a\\u001b\":\"\\u009b\\u007f\xEF\xBF\xBD\",\"list\":[1,2]}\n");
  CHECK(Json::parse(text)["list"] == Json({1, 2}));
}

TEST_CASE("JSON of a weight file as people read it", "[report]") {
  const Json json =
      Json::parse(R"({"split": "val", "mean_iou": 0.5, "ok": true, "none": null, "size": [3, 4], "empty": [],
      "classes": [{"name": "sky", "iou": 0.25}, {"name": "ro\u001bad", "iou": null}],
      "stages": [{"channels": 16, "down": {"kernel": 3}, "blocks": []}, {"channels": 40, "blocks": [{"k": 5}]}]})");
  CHECK(readable_json(json, 2) ==
        "  split           val\n"
        "  mean iou        0.5\n"
        "  ok              yes\n"
        "  none            none\n"
        "  size            3, 4\n"
        "  empty           none\n"
        "  classes\n"
        "    name       iou\n"
        "    sky       0.25\n"
        "    ro\\x1Bad  none\n"
        "  stages\n"
        "    1: channels 16, down (kernel 3), blocks none\n"
        "    2: channels 40, blocks (k 5)\n");
  CHECK(readable_json(Json::parse(R"([{"name": "道路", "iou": 1}, {"name": "sky", "iou": 2}])"), 0) ==
        "name  iou\n"
        "道路    1\n"
        "sky     2\n");
  std::string deep = "1";
  for (int i = 0; i < 200; ++i) deep = "{\"a\": [" + deep + ", {}]}";
  CHECK(readable_json(Json::parse(deep), 0).size() < 5000);
}
