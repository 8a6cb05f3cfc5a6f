// Image files of every kind, and what is done to an image before the network sees it.
#include "fuzz.h"
#include "image_io/decode.h"
#include "image_io/image.h"
#include "lemore/session.h"

using namespace lemore;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Session* const session = [] {
    const auto model = Model::load(LEMORE_GOLDEN "/plain.model.safetensors");
    require(model.ok());
    SessionOptions options;
    options.size = {32, 32};
    options.threads = 1;
    auto made = Session::create(*model, options);
    require(made.ok());
    return new Session(std::move(*made));
  }();
  cli::DecodeLimits limits;
  limits.max_pixels = 1 << 16;
  cli::Image image, scratch;
  if (!cli::decode_image(data, size, limits, image, scratch).ok()) return 0;
  const ImageView view = image.view();
  require(view.size.height >= 1 && view.size.width >= 1 && view.data != nullptr);
  require(static_cast<std::uint64_t>(view.size.height) * static_cast<std::uint64_t>(view.size.width) <=
          limits.max_pixels);
  require(session->run(view).ok());
  return 0;
}
