// Weight files: whatever is taken can be planned, and run where it is small.
#include <string>

#include "fuzz.h"
#include "lemore/session.h"

using namespace lemore;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto model = Model::from_memory(data, size, false, "fuzz");
  if (!model.ok()) {
    require(!model.status().message().empty());
    require(model.status().message().find('\n') == std::string::npos);
    return 0;
  }
  SessionOptions options;
  options.size = {32, 32};
  options.threads = 1;
  const auto bytes = Session::arena_bytes(*model, options);
  if (!bytes.ok() || *bytes > (std::size_t{16} << 20)) return 0;
  auto session = Session::create(*model, options);
  require(session.ok());
  const std::uint8_t pixels[4 * 4 * 3] = {};
  require(session->run(ImageView{pixels, {4, 4}, 12, PixelFormat::rgb}).ok());
  return 0;
}
