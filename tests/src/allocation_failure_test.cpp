#include <catch2/catch.hpp>
#include <optional>

#include "lemore/segmenter.h"
#include "support/allocations.h"
#include "support/files.h"
#include "support/skip.h"
#include "support/test_model.h"

using namespace lemore;

namespace {

/// Runs `body`, which gives a Status, with each of its allocations failing in turn until none is left to fail. Gives
/// how many there were.
template <typename Body>
std::size_t fail_each(const Body& body) {
  std::size_t done_without = 0;
  for (std::size_t n = 0;; ++n) {
    const std::ptrdiff_t before = test::live_allocations();
    test::fail_allocation(n);
    std::optional<Status> status = body();
    const bool failed = test::allocation_failed();
    const bool reported = status->code() == StatusCode::out_of_memory, ok = status->ok();
    status.reset();
    const std::ptrdiff_t after = test::live_allocations();
    INFO("allocation " << n);
    if (!failed) {
      REQUIRE(ok);
      CHECK(done_without <= 1);
      return n;
    }
    if (ok)
      ++done_without;  // std::stable_sort has a slower way
    else
      REQUIRE(reported);
#if LEMORE_TEST_EXCEPTIONS
    REQUIRE(after == before);
#else
    REQUIRE(after >= before);  // lost, as the option says
#endif
  }
}

}  // namespace

TEST_CASE("an allocation that fails is an error, and nothing is lost", "[session][memory]") {
  if (!test::allocations_are_counted()) {
    return test::skip("allocations are not counted in this build (sanitizers)");
  }
  const std::string bytes = test::weight_file().bytes();
  const test::TempFile file(bytes);

  CHECK(fail_each([&] { return Model::from_memory(bytes.data(), bytes.size(), true, "test").status(); }) > 20);
  for (const bool copy : {false, true})
    CHECK(fail_each([&] { return Model::load(file.path(), {copy}).status(); }) > 20);

  const Model model = test::tiny_model();
  SessionOptions options;
  options.threads = 1;
  options.size = {64, 64};  // the axis operators are resampled
  CHECK(fail_each([&] { return Session::create(model, options).status(); }) > 20);
  CHECK(fail_each([&] { return Session::arena_bytes(model, options).status(); }) > 20);
  SegmenterOptions segmenter;
  segmenter.threads = 1;
  CHECK(fail_each([&] { return Segmenter::create(model, segmenter).status(); }) > 20);

  auto session = Session::create(model, options);
  REQUIRE(session.ok());
  const auto image = test::random_image({64, 64}, PixelFormat::rgb, 3);
  REQUIRE(session->run(image.view()).ok());
  // A resize that fails leaves the session as it was.
  test::fail_allocation(5);
  const Status failed = session->resize({96, 96});
  REQUIRE(test::allocation_failed());
  REQUIRE(failed.code() == StatusCode::out_of_memory);
  REQUIRE(session->size() == Size{64, 64});
  REQUIRE(session->run(image.view()).ok());
}

TEST_CASE("threads that cannot be had are done without", "[session][memory]") {
  if (!test::allocations_are_counted()) {
    return test::skip("allocations are not counted in this build (sanitizers)");
  }
  const Model model = test::tiny_model();
  SessionOptions options;
  options.threads = 3;
  const auto image = test::random_image({64, 96}, PixelFormat::rgb, 3);
  for (std::size_t n = 0;; ++n) {
    test::fail_allocation(n);
    auto session = Session::create(model, options);
    const bool failed = test::allocation_failed();
    INFO("allocation " << n);
    if (session.ok())
      REQUIRE(session->run(image.view()).ok());
    else
      REQUIRE(session.status().code() == StatusCode::out_of_memory);
    if (!failed) break;
  }
}
