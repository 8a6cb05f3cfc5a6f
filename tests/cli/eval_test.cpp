#include "eval/evaluation.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstring>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "eval/label_meanings.h"
#include "eval/pairs.h"
#include "eval/result_text.h"
#include "eval/saved_counts.h"
#include "eval/strip.h"
#include "image_io/codec_png.h"
#include "support/status_checks.h"
#include "support/temporary_folder.h"
#include "test_images.h"

using namespace lemore;
using namespace lemore::cli;
using lemore::test::require_error;
using lemore::test::require_ok;
using Bytes = std::vector<std::uint8_t>;

namespace {

Bytes random_values(std::size_t count, std::mt19937& random, const Bytes& among) {
  Bytes values;
  while (values.size() < count) {
    const std::size_t run = 1 + random() % 5;
    values.insert(values.end(), std::min(run, count - values.size()), among[random() % among.size()]);
  }
  return values;
}

/// The definition, pixel by pixel: what Confusion::count must give.
Confusion plain_count(const Bytes& annotation, const Bytes& prediction, int classes, int offset, int ignore) {
  Confusion counts(static_cast<std::size_t>(classes));
  for (std::size_t i = 0; i < annotation.size(); ++i) {
    const int value = annotation[i];
    if (value == ignore || value < offset) continue;
    ++counts.at(static_cast<std::size_t>(value - offset), prediction[i]);
  }
  return counts;
}

Confusion matrix(const std::vector<std::vector<std::uint64_t>>& rows) {
  Confusion counts(rows.size());
  for (std::size_t t = 0; t < rows.size(); ++t) {
    for (std::size_t p = 0; p < rows.size(); ++p) counts.at(t, p) = rows[t][p];
  }
  return counts;
}

std::string text_of(const Bytes& bytes) { return std::string(bytes.begin(), bytes.end()); }

Bytes label_png(Size size, const Bytes& values, PictureKind kind) {
  static const std::vector<Rgb> palette(256, Rgb{9, 8, 7});  // one colour: only the places tell the classes apart
  struct Source {
    const Bytes& values;
    std::size_t width;
  } source{values, static_cast<std::size_t>(size.width)};
  PictureRows picture;
  picture.kind = kind;
  picture.size = size;
  picture.palette = palette.data();
  picture.palette_size = palette.size();
  picture.context = &source;
  picture.fill_row = [](void* context, int y, std::uint8_t* row) {
    const auto* from = static_cast<const Source*>(context);
    std::copy_n(from->values.begin() + static_cast<std::ptrdiff_t>(from->width) * y, from->width, row);
  };
  Bytes bytes;
  require_ok(encode_png(picture, bytes));
  return bytes;
}

SavedCounts saved(const Confusion& counts, std::uint64_t images = 3) {
  SavedCounts out;
  out.source = {{"model", "m"}};
  for (std::size_t c = 0; c < counts.classes(); ++c) out.names.push_back("class " + std::to_string(c));
  out.images = images;
  out.part = {{0, 1}, images, "0123", 0};
  out.counts = counts;
  return out;
}

/// Images with labels of a data set of its own, and a model for them.
struct DataSet {
  TemporaryFolder folder;
  Model model;

  explicit DataSet(int images) : model(load()) {
    std::mt19937 random(5);
    for (int i = 0; i < images; ++i) {
      const int height = 20 + i % 3 * 7, width = 31 + i % 4 * 9;
      Image image = gradient(height, width);
      for (std::size_t b = 0; b < image.row_bytes() * static_cast<std::size_t>(height); ++b) {
        image.pixels.data()[b] = static_cast<std::uint8_t>(image.pixels.data()[b] + 16 * i + random() % 30);
      }
      add(name(i), image.size, text_of(as_png(image)),
          random_values(static_cast<std::size_t>(height * width), random, {0, 1, 3, 255}));
    }
  }

  static Model load() {
    auto loaded = Model::load(LEMORE_SOURCE_DIR "/tests/golden/rect.model.safetensors");
    require_ok(loaded);
    return *loaded;
  }
  static std::string name(int i) { return (i < 10 ? "0" : "") + std::to_string(i); }

  void add(const std::string& stem, Size size, const std::string& png, const Bytes& labels) const {
    folder.file("images/" + stem + ".png", png);
    folder.file("labels/" + stem + ".png", text_of(label_png(size, labels, PictureKind::gray)));
  }
  std::vector<Pair> pairs() const {
    Result<PairList> list = find_pairs(folder / "images", folder / "labels", false);
    require_ok(list);
    CHECK(list->strays.empty());
    return list->pairs;
  }
  std::vector<Evaluator> evaluators(int count) const {
    std::vector<Evaluator> list;
    SegmenterOptions options;
    options.threads = 1;
    for (int i = 0; i < count; ++i) {
      Result<Evaluator> evaluator = Evaluator::create(model, options, DecodeLimits());
      require_ok(evaluator);
      list.push_back(std::move(*evaluator));
    }
    return list;
  }
  Evaluation run(int jobs, bool keep_going = false, std::size_t worst = 3) const {
    const std::vector<Pair> list = pairs();
    std::vector<Evaluator> all = evaluators(jobs);
    cli::Progress progress(cli::Progress::Style::none, list.size(), "images");
    return evaluate(list, all, keep_going, worst, progress);
  }
};

}  // namespace

TEST_CASE("annotation values: offset, ignore label and what is neither", "[eval]") {
  const LabelValues plain(11, 0, 255), shifted(150, 1, 255), inside(11, 0, 11), none(3, 0, -1);
  for (int value = 0; value < 256; ++value) {
    const auto v = static_cast<std::uint8_t>(value);
    CHECK(plain.class_of(v) == (value < 11 ? value : value == 255 ? LabelValues::k_ignored : LabelValues::k_unknown));
    CHECK(none.class_of(v) == (value < 3 ? value : LabelValues::k_unknown));
  }
  CHECK(shifted.class_of(0) == LabelValues::k_ignored);  // below the offset
  CHECK(shifted.class_of(1) == 0);
  CHECK(shifted.class_of(150) == 149);
  CHECK(shifted.class_of(151) == LabelValues::k_unknown);
  CHECK(inside.class_of(11) == LabelValues::k_ignored);
  // The ignore label is a value of the file: with an offset it is compared before the offset is taken away.
  CHECK(LabelValues(5, 1, 3).class_of(3) == LabelValues::k_ignored);
  CHECK(LabelValues(5, 1, 3).class_of(4) == 3);

  const Bytes good = {0, 255, 10, 3, 3, 0}, bad = {0, 255, 10, 3, 77, 78};
  require_ok(plain.check({{2, 3}, good.data()}));
  require_error(plain.check({{2, 3}, bad.data()}), StatusCode::invalid_file,
                {"value 77 at pixel x 1, y 1", "0 to 10", "255"});
  require_error(none.check({{1, 6}, bad.data()}), StatusCode::invalid_file, {"value 255 at pixel x 1, y 0", "0 to 2"});
}

TEST_CASE("counts are those of plain loops", "[eval]") {
  std::mt19937 random(11);
  for (const std::size_t pixels : {1, 2, 7, 64, 1000, 4097}) {
    const Bytes annotation = random_values(pixels, random, {0, 1, 2, 3, 4, 5, 7}),
                prediction = random_values(pixels, random, {0, 1, 2, 3});
    const LabelMap truth{{1, static_cast<int>(pixels)}, annotation.data()}, predicted{truth.size, prediction.data()};
    const LabelValues values(4, 2, 7);
    Confusion counts(4);
    counts.count(truth, predicted, values);
    CHECK(counts == plain_count(annotation, prediction, 4, 2, 7));
    counts.count(truth, predicted, values);  // counts on
    Confusion twice = plain_count(annotation, prediction, 4, 2, 7);
    twice.add(twice);
    CHECK(counts == twice);
  }
}

TEST_CASE("scores by hand; absent classes are left out of the means", "[eval]") {
  // Class 2 is in neither; class 3 is only predicted: IoU 0 counts, accuracy does not exist.
  const Scores s = scores_of(matrix({{6, 2, 0, 0}, {1, 9, 0, 2}, {0, 0, 0, 0}, {0, 0, 0, 0}}));
  CHECK(*s.classes[0].iou == Approx(6.0 / 9));
  CHECK(*s.classes[0].accuracy == Approx(6.0 / 8));
  CHECK(*s.classes[0].share == Approx(8.0 / 20));
  CHECK(*s.classes[1].iou == Approx(9.0 / 14));
  CHECK_FALSE(s.classes[2].iou);
  CHECK_FALSE(s.classes[2].accuracy);
  CHECK(*s.classes[2].share == 0);
  CHECK(*s.classes[3].iou == 0);
  CHECK_FALSE(s.classes[3].accuracy);
  CHECK(*s.miou == Approx((6.0 / 9 + 9.0 / 14 + 0) / 3));
  CHECK(*s.mean_accuracy == Approx((6.0 / 8 + 9.0 / 12) / 2));
  CHECK(*s.pixel_accuracy == Approx(15.0 / 20));

  const Scores empty = scores_of(Confusion(2));
  CHECK_FALSE(empty.miou);
  CHECK_FALSE(empty.mean_accuracy);
  CHECK_FALSE(empty.pixel_accuracy);
  CHECK_FALSE(empty.classes[0].share);
}

TEST_CASE("result as table and JSON", "[eval]") {
  SavedCounts result = saved(matrix({{6, 2, 0}, {1, 9, 0}, {0, 0, 0}}), 4321);
  result.names = {"sky", "a\nline", "Fußgänger"};
  const std::string table = result_table(result);
  CHECK_THAT(table, Catch::Contains("sky          0.6667    0.7500    44.44 %\n"));
  CHECK_THAT(table, Catch::Contains("a\\nline      0.7500    0.9000    55.56 %\n"));
  CHECK_THAT(table, Catch::Contains("Fußgänger         -         -     0.00 %\n"));
  CHECK_THAT(table, Catch::Contains("(4,321 images, 18 labelled pixels)"));

  const auto json = nlohmann::json::parse(result_json(result));
  CHECK(json["miou"] == Approx((6.0 / 9 + 0.75) / 2));
  CHECK(json["mean_accuracy"] == Approx(0.825));
  CHECK(json["pixel_accuracy"] == Approx(15.0 / 18));
  CHECK(json["images"] == 4321);
  CHECK(json["pixels"] == 18);
  CHECK(json["classes"].size() == 3);
  CHECK(json["classes"][2]["iou"].is_null());
  CHECK(json["classes"][1]["name"] == "a\nline");
  CHECK(json["confusion"] == nlohmann::json({{6, 2, 0}, {1, 9, 0}, {0, 0, 0}}));
}

TEST_CASE("saved counts come back", "[eval]") {
  const TemporaryFolder folder;
  constexpr std::uint64_t k_large = (std::uint64_t{1} << 52) + 1;
  SavedCounts one = saved(matrix({{k_large, 1}, {2, 3}}), 5);
  one.part = {{2, 3}, 17, "abc", 0};                       // places 2, 5, 8, 11, 14
  for (const std::string before : {"", "\xEF\xBB\xBF"}) {  // a byte order mark
    const auto back = read_saved_counts(folder.file("one.json", before + to_json_text(one)));
    require_ok(back);
    CHECK(back->counts == one.counts);
    CHECK(back->names == one.names);
    CHECK(back->images == 5);
    CHECK(back->source == one.source);
    CHECK(back->part.shard.index == 2);
    CHECK(back->part.shard.count == 3);
    CHECK(back->part.pairs == 17);
    CHECK(back->part.pairs_digest == "abc");
  }
}

TEST_CASE("parts of an evaluation are added up when each is there once", "[eval]") {
  // Part i of 3 of 10 images.
  const auto part = [](std::size_t i) {
    SavedCounts p = saved(matrix({{10 * i, 1}, {2, i}}), i == 0 ? 4 : 3);
    p.part = {{i, 3}, 10, "abc", 0};
    return p;
  };
  const std::vector<std::string> paths = {"a.json", "b.json", "c.json"};
  for (const std::vector<std::size_t>& order : {std::vector<std::size_t>{0, 1, 2}, {2, 0, 1}}) {
    const auto sum = merge_counts({part(order[0]), part(order[1]), part(order[2])}, paths);
    require_ok(sum);
    CHECK(sum->counts == matrix({{30, 3}, {6, 3}}));
    CHECK(sum->images == 10);
    CHECK(sum->part.shard.count == 1);
    require_ok(merge_counts({*sum}, {"sum.json"}));  // a whole, too
  }
  const auto refused = [&](std::vector<SavedCounts> parts, std::initializer_list<std::string> says) {
    const std::vector<std::string> names(paths.begin(), paths.begin() + static_cast<std::ptrdiff_t>(parts.size()));
    require_error(merge_counts(parts, names), StatusCode::invalid_file, says);
  };
  refused({part(0), part(2)}, {"1 of 3 parts are missing: 1/3"});
  refused({part(1)}, {"2 of 3 parts are missing: 0/3, 2/3"});
  refused({part(0), part(1), part(0)}, {"c.json", "is part 0/3, as a.json is"});
  SavedCounts other = part(1);
  other.part.pairs_digest = "abd";
  refused({part(0), other, part(2)}, {"b.json", "other images (10) than a.json (10)"});
  other = part(1);
  other.part.shard.count = 4;
  refused({part(0), other}, {"b.json", "is part 1/4, but a.json is part 0/3"});
  other = part(1);
  other.source["model"] = "n";
  refused({part(0), other, part(2)}, {"b.json", "another way than a.json", "\"model\" is \"n\", there \"m\""});
  other = part(1);
  other.source["label_map"] = "x";
  refused({part(0), other, part(2)}, {"b.json", "label_map"});
  other = part(1);
  other.names[1] = "tree";
  refused({part(0), other, part(2)}, {"b.json", "class 1 is 'tree', there 'class 1'"});
  other = part(1);
  other.counts = Confusion(3);
  other.names.push_back("more");
  refused({part(0), other, part(2)}, {"b.json", "class 2 is 'more', there missing"});
  other = part(1);
  other.counts.at(0, 0) = std::uint64_t{1} << 53;
  refused({part(0), other, part(2)}, {"b.json", "2^53"});
}

TEST_CASE("files that hold no counts are refused", "[eval]") {
  const TemporaryFolder folder;
  const nlohmann::json good = nlohmann::json::parse(to_json_text(saved(matrix({{1, 2}, {3, 4}}))));
  const std::vector<std::pair<std::function<void(nlohmann::json&)>, std::string>> cases = {
      {[](auto& j) { j = 5; }, "--save-confusion"},
      {[](auto& j) { j.erase("format"); }, "--save-confusion"},
      {[](auto& j) { j["version"] = 3; }, "version"},
      {[](auto& j) { j["version"] = 1; }, "older"},
      {[](auto& j) { j.erase("run"); }, "run"},
      {[](auto& j) {
         j["run"]["shard"] = {1, 1};
       },
       "run.shard"},
      {[](auto& j) { j["run"]["shard"] = {0}; }, "run.shard"},
      {[](auto& j) {
         j["run"]["shard"] = {0, std::uint64_t{1} << 50};
       },
       "run.shard"},
      {[](auto& j) { j["run"]["pairs"] = 4; }, "not as many"},
      {[](auto& j) { j["run"]["failed"] = 1; }, "not as many"},
      {[](auto& j) { j["run"]["pairs_digest"] = 7; }, "pairs_digest"},
      {[](auto& j) { j["classes"] = nlohmann::json::array(); }, "classes"},
      {[](auto& j) { j["classes"] = nlohmann::json(std::vector<std::string>(257, "x")); }, "classes"},
      {[](auto& j) { j["classes"][0] = 1; }, "classes"},
      {[](auto& j) { j["images"] = -1; }, "images"},
      {[](auto& j) { j["confusion"].erase(0); }, "confusion"},
      {[](auto& j) { j["confusion"][1].push_back(1); }, "confusion"},
      {[](auto& j) { j["confusion"][1] = "x"; }, "confusion"},
      {[](auto& j) { j["confusion"][1][0] = -1; }, "confusion"},
      {[](auto& j) { j["confusion"][1][0] = 1.5; }, "confusion"},
      {[](auto& j) { j["confusion"][1][0] = std::uint64_t{1} << 53; }, "2^53"},
      {[](auto& j) { j["confusion"][1][0] = ~std::uint64_t{0}; }, "2^53"},
  };
  for (const auto& [spoil, part] : cases) {
    nlohmann::json json = good;
    spoil(json);
    require_error(read_saved_counts(folder.file("bad.json", json.dump())), StatusCode::invalid_file,
                  {"bad.json", part});
  }
  require_error(read_saved_counts(folder.file("cut.json", good.dump().substr(0, 40))), StatusCode::invalid_file,
                {"not JSON"});
  require_error(read_saved_counts(folder.file("twice.json", R"({"a": {"b": 1, "b": 2}})")), StatusCode::invalid_file,
                {"'b' stands there twice"});
  require_error(read_saved_counts(folder.file("deep.json", std::string(200000, '['))), StatusCode::invalid_file,
                {"not JSON"});
  require_error(read_saved_counts(folder / "none.json"), StatusCode::io_error, {"none.json"});
}

TEST_CASE("images and labels are matched by name", "[eval]") {
  const TemporaryFolder folder;
  for (const char* name :
       {"i/b.jpg", "i/a.PNG", "i/c.d.bmp", "i/lone.jpg", "i/two.jpg", "i/two.png", "i/sub/a.jpg", "i/notes.txt"}) {
    folder.file(name);
  }
  for (const char* name :
       {"l/b.png", "l/a.png", "l/c.d.PNG", "l/left.png", "l/two.png", "l/sub/a.png", "l/b.json", "l/b.jpg"}) {
    folder.file(name);
  }
  Result<PairList> list = find_pairs(folder / "i", folder / "l", false);
  require_ok(list);
  REQUIRE(list->pairs.size() == 3);
  CHECK(list->pairs[0].name == "a");
  CHECK(list->pairs[0].image == folder / "i/a.PNG");
  CHECK(list->pairs[2].name == "c.d");
  CHECK(list->pairs[2].label == folder / "l/c.d.PNG");
  REQUIRE(list->strays.size() == 3);
  require_error(list->strays[0], StatusCode::not_found, {"l/left.png", "no image", folder / "i"});
  require_error(list->strays[1], StatusCode::not_found, {"i/lone.jpg", "no label", folder / "l/lone.png"});
  require_error(list->strays[2], StatusCode::not_found, {"i/two.jpg", "i/two.png", "l/two.png"});

  list = find_pairs((folder / "i") + "/", folder / "l", true);
  require_ok(list);
  REQUIRE(list->pairs.size() == 4);
  CHECK(list->pairs[3].name == "sub/a");

  require_error(find_pairs(folder / "none", folder / "l", false), StatusCode::not_found, {"none", "no such folder"});
  require_error(find_pairs(folder / "i", folder / "i/b.jpg", false), StatusCode::not_found,
                {"b.jpg", "no such folder"});
}

TEST_CASE("a pattern of pairs says which names belong together", "[eval]") {
  const TemporaryFolder folder;
  for (const char* name :
       {"i/a/a_1_left.png", "i/a/a_2_left.png", "i/b/b_1_left.png", "i/b/_left.png", "i/readme.png", "i/notes.txt"}) {
    folder.file(name);
  }
  for (const char* name : {"l/a/a_1_ids.png", "l/a/a_1_color.png", "l/a/a_2_ids.png", "l/b/b_1_ids.PNG",
                           "l/c/c_1_ids.png", "l/b/b_1_ids.json"}) {
    folder.file(name);
  }
  const auto names_of = [](const Result<PairList>& list) {
    std::vector<std::string> names;
    require_ok(list);
    for (const Pair& pair : list->pairs) names.push_back(pair.name);
    return names;
  };
  Result<PairPattern> pattern = parse_pair_pattern("{}_left.png={}_ids.png");
  require_ok(pattern);
  Result<PairList> list = find_pairs(folder / "i", folder / "l", true, &*pattern);
  CHECK(names_of(list) == std::vector<std::string>{"a/a_1", "a/a_2"});
  CHECK(list->pairs[0].image == folder / "i/a/a_1_left.png");
  CHECK(list->pairs[0].label == folder / "l/a/a_1_ids.png");
  CHECK(list->passed_over == 2);  // readme.png, and a name with nothing in the place of {}
  REQUIRE(list->strays.size() == 2);
  require_error(list->strays[0], StatusCode::not_found, {"b_1_left.png", "no label " + folder / "l/b/b_1_ids.png"});
  require_error(list->strays[1], StatusCode::not_found, {"c_1_ids.png", "no image c/c_1_left.png"});

  pattern = parse_pair_pattern("{}_left={}_ids");  // of any ending
  require_ok(pattern);
  list = find_pairs(folder / "i", folder / "l", true, &*pattern);
  CHECK(names_of(list) == std::vector<std::string>{"a/a_1", "a/a_2", "b/b_1"});

  for (const char* name : {"one/x.jpg", "one/x_mask.png", "one/y.jpg", "one/y_mask.png"}) folder.file(name);
  pattern = parse_pair_pattern("{}.jpg={}_mask.png");
  require_ok(pattern);
  list = find_pairs(folder / "one", folder / "one", false, &*pattern);
  CHECK(names_of(list) == std::vector<std::string>{"x", "y"});
  CHECK(list->passed_over == 0);

  pattern = parse_pair_pattern("{}_right.png={}_ids.png");
  require_ok(pattern);
  require_error(find_pairs(folder / "i", folder / "l", true, &*pattern), StatusCode::not_found,
                {"no image is called '{}_right.png'"});
  for (const char* bad : {"", "{}", "{}.png", "a=b", "{}=b", "{}{}={}", "{}={}={}", "x/{}={}", "{}={}/y"}) {
    INFO(bad);
    require_error(parse_pair_pattern(bad), StatusCode::invalid_argument, {"--pair"});
  }
}

TEST_CASE("a label map is read strictly", "[eval]") {
  const TemporaryFolder folder;
  const std::vector<ClassInfo> classes = {{"sky", {}}, {"road", {}}, {"car", {}}, {"twin", {}}, {"twin", {}}};
  const auto read = [&](const std::string& text) { return LabelMeanings::read(folder.file("m.json", text), classes); };
  const auto good = read(R"({"values": {"0": "sky", "65535": 1, "7": "ignore", "00009": "car"}, "default": "ignore"})");
  require_ok(good);
  CHECK(good->to_json().dump() == R"({"values":{"0":0,"7":"ignore","9":2,"65535":1},"default":"ignore"})");
  CHECK_FALSE(good->is_by_color());
  const auto colors = read(
      "\xEF\xBB\xBF"
      R"({"colors": {"#80407F": "road", "128,64,127": 1, " 1, 2 ,3": 4}})");
  require_ok(colors);
  CHECK(colors->to_json().dump() == R"({"colors":{"#010203":4,"#80407f":1},"default":"error"})");
  for (const auto& [text, part] : std::vector<std::pair<std::string, std::string>>{
           {"", "not JSON"},
           {"[]", "expected {"},
           {R"({"values": {}})", "expected {"},
           {R"({"values": {"0": 0}, "colors": {"#000000": 0}})", "expected {"},
           {R"({"values": {"0": 0}, "ignore": 255})", "unknown field 'ignore'"},
           {R"({"values": {"0": 0}, "default": "sky"})", "default"},
           {R"({"values": {"0": 0, "0": 1}})", "twice"},
           {R"({"values": {"0": 0, "00": 1}})", "twice, with two meanings"},
           {R"({"values": {"65536": 0}})", "'65536'"},
           {R"({"values": {"-1": 0}})", "'-1'"},
           {R"({"values": {" 1": 0}})", "' 1'"},
           {R"({"values": {"#000000": 0}})", "'#000000'"},
           {R"({"values": {"0": "lake"}})", "values['0']: no class is called 'lake'"},
           {R"({"values": {"0": "twin"}})", "several classes are called 'twin'"},
           {R"({"values": {"0": 5}})", "its index 0..4"},
           {R"({"values": {"0": -1}})", "its index 0..4"},
           {R"({"values": {"0": 1.0}})", "its index 0..4"},
           {R"({"values": {"0": true}})", "its index 0..4"},
           {R"({"colors": {"#00000": 0}})", "'#00000'"},
           {R"({"colors": {"#00000g": 0}})", "'#00000g'"},
           {R"({"colors": {"1,2": 0}})", "'1,2'"},
           {R"({"colors": {"1,2,3,4": 0}})", "'1,2,3,4'"},
           {R"({"colors": {"1,2,256": 0}})", "'1,2,256'"},
           {R"({"colors": {"7": 0}})", "'7'"}}) {
    INFO(text);
    require_error(read(text), StatusCode::invalid_file, {"m.json", part});
  }
  require_error(LabelMeanings::read(folder / "none.json", classes), StatusCode::io_error, {"none.json"});
}

TEST_CASE("a label map translates values and colours", "[eval]") {
  const TemporaryFolder folder;
  const std::vector<ClassInfo> classes = {{"sky", {}}, {"road", {}}, {"car", {}}};
  const auto read = [&](const std::string& text) {
    const auto meanings = LabelMeanings::read(folder.file("m.json", text), classes);
    require_ok(meanings);
    return *meanings;
  };
  const auto classes_of = [](const LabelMeanings& meanings, const Image& codes) {
    std::vector<int> out;
    for (int i = 0; i < codes.size.height * codes.size.width; ++i)
      out.push_back(meanings.values().class_of(codes.pixels.data()[i]));
    return out;
  };
  constexpr int k_ignored = LabelValues::k_ignored;
  Image codes;
  LabelSamples samples;
  samples.size = {2, 3};
  samples.is_wide = true;
  REQUIRE(samples.bytes.reserve(12));
  const std::uint16_t values[] = {0, 300, 300, 65535, 7, 0};
  std::memcpy(samples.bytes.data(), values, 12);
  LabelMeanings meanings = read(R"({"values": {"0": "car", "300": "sky", "7": "ignore", "65535": "car"}})");
  require_ok(meanings.translate(samples, codes));
  CHECK(codes.size == Size{2, 3});
  CHECK(classes_of(meanings, codes) == std::vector<int>{2, 0, 0, 2, k_ignored, 2});
  meanings = read(R"({"values": {"0": "car", "300": "sky"}})");
  require_error(meanings.translate(samples, codes), StatusCode::invalid_file,
                {"value 65535 at pixel x 0, y 1 is not in the label map"});
  meanings = read(R"({"values": {"300": "sky"}, "default": "ignore"})");
  require_ok(meanings.translate(samples, codes));
  CHECK(classes_of(meanings, codes) == std::vector<int>{k_ignored, 0, 0, k_ignored, k_ignored, k_ignored});

  Image picture = gradient(1, 3);  // (3, 1, 0), (13, 1, 7), (23, 1, 14)
  meanings = read(R"({"colors": {"3,1,0": "road", "#0d0107": "ignore", "#17010e": "sky"}})");
  require_ok(meanings.translate(picture, codes));
  CHECK(classes_of(meanings, codes) == std::vector<int>{1, k_ignored, 0});
  meanings = read(R"({"colors": {"3,1,0": "road", "#0d0107": "ignore"}})");
  require_error(meanings.translate(picture, codes), StatusCode::invalid_file, {"colour #17010e at pixel x 2, y 0"});

  // Gray counts as the colour it shows.
  REQUIRE(picture.reset({1, 2}, PixelFormat::gray));
  picture.pixels.data()[0] = 0;
  picture.pixels.data()[1] = 255;
  meanings = read(R"({"colors": {"#000000": "road", "255,255,255": "car"}})");
  require_ok(meanings.translate(picture, codes));
  CHECK(classes_of(meanings, codes) == std::vector<int>{1, 2});
}

TEST_CASE("annotations are read as values, never as colours", "[eval]") {
  const Bytes values = {0, 1, 2, 3, 200, 255};
  for (const PictureKind kind : {PictureKind::gray, PictureKind::indexed}) {
    const Bytes png = label_png({2, 3}, values, kind);
    Image image;
    require_ok(decode_label_png(png.data(), png.size(), DecodeLimits(), image));
    CHECK(image.size == Size{2, 3});
    CHECK(std::equal(values.begin(), values.end(), image.pixels.data()));
    for (std::size_t size = 0; size < png.size(); ++size) {
      CHECK_FALSE(decode_label_png(png.data(), size, DecodeLimits(), image).ok());
    }
  }
  Image image;
  const Bytes color = as_png(gradient(2, 3)), jpeg = as_jpeg(values.data(), 2, 3, 1);
  require_error(decode_label_png(color.data(), color.size(), DecodeLimits(), image), StatusCode::unsupported,
                {"colours", "indexed"});
  require_error(decode_label_png(jpeg.data(), jpeg.size(), DecodeLimits(), image), StatusCode::unsupported, {"JPEG"});
  require_error(decode_label_png(values.data(), values.size(), DecodeLimits(), image), StatusCode::invalid_file,
                {"not a PNG"});
  DecodeLimits small;
  small.max_pixels = 5;
  const Bytes png = label_png({2, 3}, values, PictureKind::gray);
  require_error(decode_label_png(png.data(), png.size(), small, image), StatusCode::invalid_file, {"3x2"});
}

TEST_CASE("threads are divided among images", "[eval]") {
  CHECK(divide_threads(8, 3) == std::vector<int>{3, 3, 2});
  CHECK(divide_threads(2, 2) == std::vector<int>{1, 1});
  CHECK(divide_threads(2, 4) == std::vector<int>{1, 1, 1, 1});
}

TEST_CASE("an evaluation is the sum of its images, for any number at a time", "[eval]") {
  const DataSet data(11);
  const std::vector<Pair> pairs = data.pairs();
  REQUIRE(pairs.size() == 11);

  // Plainly: the segmenter on every image, the definition on every pixel.
  Confusion expected(4);
  std::vector<std::pair<double, std::size_t>> mious;
  Result<Segmenter> segmenter = Segmenter::create(data.model);
  require_ok(segmenter);
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    std::string bytes[2];
    Image photo, annotation, scratch;
    for (int side = 0; side < 2; ++side) {
      std::ifstream in(side == 0 ? pairs[i].image : pairs[i].label, std::ios::binary);
      bytes[side].assign(std::istreambuf_iterator<char>(in), {});
      const auto* data_of = reinterpret_cast<const std::uint8_t*>(bytes[side].data());
      require_ok(decode_image(data_of, bytes[side].size(), DecodeLimits(), side == 0 ? photo : annotation, scratch));
    }
    const std::size_t pixels = static_cast<std::size_t>(photo.size.height) * static_cast<std::size_t>(photo.size.width);
    Bytes predicted(pixels);
    require_ok(
        segmenter->segment(photo.view(), {predicted.data(), photo.size, static_cast<std::size_t>(photo.size.width)}));
    const Confusion counts =
        plain_count(Bytes(annotation.pixels.data(), annotation.pixels.data() + pixels), predicted, 4, 0, 255);
    expected.add(counts);
    mious.emplace_back(*scores_of(counts).miou, i);
  }
  std::sort(mious.begin(), mious.end());

  for (const int jobs : {1, 2, 3}) {
    const Evaluation evaluation = data.run(jobs);
    CHECK(evaluation.counts == expected);
    CHECK(evaluation.images == 11);
    CHECK(evaluation.failed == 0);
    REQUIRE(evaluation.worst.size() == 3);
    for (std::size_t i = 0; i < 3; ++i) {
      CHECK(evaluation.worst[i].place == mious[i].second);
      CHECK(evaluation.worst[i].miou == mious[i].first);
    }
  }
}

TEST_CASE("a pair that fails is told, and counts for nothing", "[eval]") {
  const DataSet data(6);
  const Confusion whole = data.run(1).counts;
  const Bytes few(20 * 30, 0);
  data.folder.file("labels/02.png", text_of(label_png({20, 30}, few, PictureKind::gray)));  // not the image's size
  Bytes odd(20 * 67, 1);
  odd[70] = 99;
  data.folder.file("labels/03.png",
                   text_of(label_png({20, 58}, Bytes(odd.begin(), odd.begin() + 20 * 58), PictureKind::indexed)));
  const std::vector<Pair> pairs = data.pairs();
  std::vector<Evaluator> evaluators = data.evaluators(1);
  require_error(evaluators[0].evaluate(pairs[2]), StatusCode::invalid_shape,
                {pairs[2].image, pairs[2].label, "34x49", "20x30"});
  require_error(evaluators[0].evaluate(pairs[3]), StatusCode::invalid_file,
                {pairs[3].label, "value 99 at pixel x 12, y 1"});

  for (const int jobs : {1, 3}) {
    const Evaluation going = data.run(jobs, true, 100);
    CHECK(going.failed == 2);
    CHECK(going.images == 4);
    CHECK(going.worst.size() == 4);
    CHECK(going.counts.pixels() < whole.pixels());
    const Evaluation stopped = data.run(jobs, false, 0);
    CHECK(stopped.failed == 1);
    CHECK(stopped.images == 2);
    CHECK(stopped.worst.empty());
  }
}

TEST_CASE("strips show photo, truth and prediction", "[eval]") {
  const Image photo = gradient(2, 3);
  const Bytes annotation = {1, 2, 255, 0, 3, 1}, prediction = {0, 1, 2, 2, 1, 0};
  const Palette palette({{"a", {10, 20, 30}}, {"b", {40, 50, 60}}, {"c", {70, 80, 90}}});
  Bytes png;
  require_ok(encode_strip(photo, {{2, 3}, annotation.data()}, {{2, 3}, prediction.data()}, LabelValues(3, 1, 255),
                          palette, png));
  Image strip, scratch;
  require_ok(decode_image(png.data(), png.size(), DecodeLimits(), strip, scratch));
  REQUIRE(strip.size == Size{2, 3 * 3 + 2 * 4});
  const auto pixel = [&](int y, int x) {
    return Rgb{strip.row(y)[3 * x], strip.row(y)[3 * x + 1], strip.row(y)[3 * x + 2]};
  };
  for (int x = 0; x < 3; ++x)
    CHECK(pixel(1, x) == Rgb{photo.row(1)[3 * x], photo.row(1)[3 * x + 1], photo.row(1)[3 * x + 2]});
  CHECK(pixel(0, 3) == Rgb{255, 255, 255});
  CHECK(pixel(0, 7) == Rgb{10, 20, 30});
  CHECK(pixel(0, 8) == Rgb{40, 50, 60});
  CHECK(pixel(0, 9) == Rgb{0, 0, 0});  // ignored
  CHECK(pixel(1, 7) == Rgb{0, 0, 0});  // below the offset
  CHECK(pixel(1, 8) == Rgb{70, 80, 90});
  CHECK(pixel(0, 14) == Rgb{10, 20, 30});
  CHECK(pixel(1, 14) == Rgb{70, 80, 90});
}
