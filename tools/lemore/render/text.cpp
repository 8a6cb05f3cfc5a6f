#include "render/text.h"

#include <ft2build.h>
#include FT_FREETYPE_H

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <set>
#include <utility>

#include "file_io.h"
#include "report.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wfloat-conversion"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wunused-function"
#include <stb/stb_easy_font.h>
#pragma GCC diagnostic pop

namespace lemore::cli {

namespace fs = std::filesystem;

namespace {

// Bounds of the search for fonts: a machine may have thousands.
constexpr std::size_t k_max_font_files = 4000, k_max_opened = 300;
constexpr int k_max_depth = 6;
// Pixels of a glyph's sides, in heights of a line; a font that asks for more gets a box.
constexpr unsigned k_max_glyph_heights = 4;
/// Missing characters that are named.
constexpr std::size_t k_max_named = 20;

/// The characters of UTF-8 text, of a longer one the first thousand; U+FFFD for bytes that are none. Controls and marks
/// without a shape are left out.
std::vector<char32_t> characters_of(std::string_view text) {
  std::vector<char32_t> characters;
  while (!text.empty() && characters.size() < 1000) {
    const Utf8Character next = first_character(text);
    text.remove_prefix(next.bytes);
    const char32_t c = next.is_valid ? next.character : U'\uFFFD';
    const bool has_shape = !is_acted_on(c) && !(c >= 0x200B && c <= 0x200D) && !(c >= 0xFE00 && c <= 0xFE0F);
    if (has_shape) characters.push_back(c);
  }
  return characters;
}

std::string utf8(char32_t c) {
  std::string text;
  const auto add = [&](char32_t bits) { text += static_cast<char>(bits); };
  if (c < 0x80) {
    add(c);
  } else if (c < 0x800) {
    add(0xC0 | c >> 6), add(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    add(0xE0 | c >> 12), add(0x80 | (c >> 6 & 0x3F)), add(0x80 | (c & 0x3F));
  } else {
    add(0xF0 | c >> 18), add(0x80 | (c >> 12 & 0x3F)), add(0x80 | (c >> 6 & 0x3F)), add(0x80 | (c & 0x3F));
  }
  return text;
}

/// How well a file's name promises plain letters for any text: smaller is better.
int rank_of(const std::string& name) {
  constexpr std::string_view k_best[] = {"DejaVuSans.ttf", "NotoSans-Regular.", "LiberationSans-Regular.",
                                         "Ubuntu-R.",      "OpenSans-Regular.", "Roboto-Regular.",
                                         "Arial.ttf",      "Helvetica"};
  int rank = 0;
  for (const std::string_view best : k_best) {
    if (name.compare(0, best.size(), best) == 0) return rank;
    ++rank;
  }
  const auto has = [&](std::string_view part) { return name.find(part) != std::string::npos; };
  if (has("Bold") || has("Italic") || has("Oblique") || has("Light") || has("Thin") || has("Black")) return rank + 3;
  if (has("CJK") || has("wqy") || has("Fallback") || has("Gothic") || has("Unifont") || has("unifont")) return rank;
  return rank + (has("Sans") ? 1 : 2);
}

/// The font files in the folders, the most promising first.
std::vector<std::string> font_files(const std::vector<std::string>& folders) {
  std::vector<std::pair<int, std::string>> found;
  for (const std::string& folder : folders) {
    std::error_code error;
    fs::recursive_directory_iterator at(folder, fs::directory_options::skip_permission_denied, error), end;
    for (; !error && at != end && found.size() < k_max_font_files; at.increment(error)) {
      if (at.depth() >= k_max_depth) at.disable_recursion_pending();
      std::string ending = at->path().extension().string();
      for (char& c : ending) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      if (ending != ".ttf" && ending != ".otf" && ending != ".ttc") continue;
      std::error_code ignored;
      if (at->is_regular_file(ignored))
        found.emplace_back(rank_of(at->path().filename().string()), at->path().string());
    }
  }
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  std::vector<std::string> files;
  for (auto& [rank, path] : found) files.push_back(std::move(path));
  return files;
}

/// An open font and the bytes that it reads from.
struct Face {
  std::vector<std::uint8_t> bytes;
  FT_Face face = nullptr;

  Face() = default;
  Face(Face&& o) noexcept : bytes(std::move(o.bytes)), face(std::exchange(o.face, nullptr)) {}
  Face& operator=(Face&& o) noexcept {
    std::swap(bytes, o.bytes);
    std::swap(face, o.face);
    return *this;
  }
  ~Face() {
    if (face != nullptr) FT_Done_Face(face);
  }
  unsigned glyph(char32_t c) const { return FT_Get_Char_Index(face, c); }
};

Result<Face> open_face(FT_Library library, const std::string& path) {
  Face font;
  if (const Status status = read_file(path, font.bytes, Lettering::k_max_font_bytes); !status.ok()) return status;
  const FT_Error error =
      FT_New_Memory_Face(library, font.bytes.data(), static_cast<FT_Long>(font.bytes.size()), 0, &font.face);
  if (error != 0) {
    font.face = nullptr;
    return Status(StatusCode::invalid_file, path + ": not a font that FreeType reads");
  }
  if (FT_IS_SCALABLE(font.face) == 0 || FT_Select_Charmap(font.face, FT_ENCODING_UNICODE) != 0)
    return Status(StatusCode::invalid_file, path + ": expected an outline font with Unicode characters");
  return Result<Face>(std::move(font));
}

/// Letters of the built-in font are 9 pixels high at scale 1, a line 12.
int built_in_scale(int height) { return std::max(1, (height + 4) / 12); }

/// stb_easy_font indexes its table with (character - 32) unchecked: only printable ASCII may reach it.
bool is_built_in(char32_t c) { return c >= 0x20 && c < 0x7F; }

}  // namespace

Canvas::Canvas(Size size_, const Rgb& fill_color)
    : size(size_), rgb(static_cast<std::size_t>(size_.height) * static_cast<std::size_t>(size_.width) * 3) {
  fill(0, 0, size.width, size.height, fill_color);
}

void Canvas::fill(int left, int top, int width, int height, const Rgb& color) {
  const int right = std::min(left + width, size.width), bottom = std::min(top + height, size.height);
  for (int y = std::max(top, 0); y < bottom; ++y) {
    for (int x = std::max(left, 0); x < right; ++x) {
      std::copy(color.begin(), color.end(), rgb.begin() + (static_cast<std::ptrdiff_t>(y) * size.width + x) * 3);
    }
  }
}

void Canvas::mix(int x, int y, const Rgb& color, unsigned alpha) {
  if (x < 0 || y < 0 || x >= size.width || y >= size.height) return;
  std::uint8_t* pixel =
      &rgb[(static_cast<std::size_t>(y) * static_cast<std::size_t>(size.width) + static_cast<std::size_t>(x)) * 3];
  for (std::size_t c = 0; c < 3; ++c)
    pixel[c] = static_cast<std::uint8_t>((pixel[c] * (255 - alpha) + color[c] * alpha + 127) / 255);
}

/// FreeType's objects serve one thread at a time.
struct Lettering::Fonts {
  FT_Library library = nullptr;
  std::vector<Face> faces;  ///< in the order in which they are asked for a character
  std::string missing;
  std::mutex mutex;

  ~Fonts() {
    faces.clear();
    if (library != nullptr) FT_Done_FreeType(library);
  }

  /// The first font that has the character, or null.
  const Face* face_of(char32_t c) const {
    const auto at = std::find_if(faces.begin(), faces.end(), [c](const Face& f) { return f.glyph(c) != 0; });
    return at == faces.end() ? nullptr : &*at;
  }

  /// Draws a character (or measures, where canvas is null) and returns its advance in 64ths of a pixel.
  int put(char32_t c, Canvas* canvas, int x_64, int top, int height, const Rgb& color) const;
  int put_built_in(char32_t c, Canvas* canvas, int left, int top, int height, const Rgb& color) const;
};

Lettering::Lettering(std::unique_ptr<Fonts> fonts) : fonts_(std::move(fonts)) {}
Lettering::Lettering(Lettering&&) noexcept = default;
Lettering& Lettering::operator=(Lettering&&) noexcept = default;
Lettering::~Lettering() = default;

const std::string& Lettering::missing() const noexcept { return fonts_->missing; }
bool Lettering::has_font() const noexcept { return !fonts_->faces.empty(); }

std::vector<std::string> Lettering::font_folders() {
  std::vector<std::string> folders;
  const auto below = [&](const char* variable, const char* folder) {
    const char* value = std::getenv(variable);
    if (value != nullptr && *value != '\0') folders.push_back(std::string(value) + folder);
  };
  below("XDG_DATA_HOME", "/fonts");
  below("HOME", "/.local/share/fonts");
  below("HOME", "/.fonts");
  below("HOME", "/Library/Fonts");
  for (const char* folder : {"/usr/local/share/fonts", "/usr/share/fonts", "/usr/local/lib/X11/fonts", "/Library/Fonts",
                             "/System/Library/Fonts"})
    folders.emplace_back(folder);
  return folders;
}

Result<Lettering> Lettering::create(const std::string& font_file, const std::vector<std::string>& texts,
                                    const std::vector<std::string>& folders) {
  auto fonts = std::make_unique<Fonts>();
  if (FT_Init_FreeType(&fonts->library) != 0) return Status(StatusCode::out_of_memory, "FreeType does not start");
  std::set<char32_t> wanted;
  for (char32_t c = 0x20; c < 0x7F; ++c) wanted.insert(c);  // the legend's own words and figures
  for (const std::string& text : texts)
    for (const char32_t c : characters_of(text)) wanted.insert(c);
  const auto add = [&](Face face) {
    const std::size_t before = wanted.size();
    for (auto c = wanted.begin(); c != wanted.end();) c = face.glyph(*c) != 0 ? wanted.erase(c) : std::next(c);
    if (wanted.size() < before || fonts->faces.empty()) fonts->faces.push_back(std::move(face));
  };
  if (!font_file.empty()) {
    Result<Face> face = open_face(fonts->library, font_file);
    if (!face.ok()) return face.status();
    add(std::move(*face));
  }
  std::size_t opened = 0;
  if (!wanted.empty()) {
    for (const std::string& file : font_files(folders)) {
      if (wanted.empty() || ++opened > k_max_opened) break;
      Result<Face> face = open_face(fonts->library, file);
      if (face.ok() && std::any_of(wanted.begin(), wanted.end(), [&](char32_t c) { return face->glyph(c) != 0; }))
        add(std::move(*face));
    }
  }
  std::size_t named = 0;
  for (const char32_t c : wanted) {
    if (is_built_in(c)) continue;
    if (named++ == k_max_named) {
      fonts->missing += "...";
      break;
    }
    fonts->missing += utf8(c);
  }
  return Result<Lettering>(Lettering(std::move(fonts)));
}

int Lettering::Fonts::put_built_in(char32_t c, Canvas* canvas, int left, int top, int height, const Rgb& color) const {
  const int scale = built_in_scale(height);
  if (!is_built_in(c)) {  // a box
    const int wide = 6 * scale, high = 8 * scale;
    if (canvas != nullptr) {
      canvas->fill(left, top, wide, scale, color);
      canvas->fill(left, top + high, wide, scale, color);
      canvas->fill(left, top, scale, high, color);
      canvas->fill(left + wide - scale, top, scale, high, color);
    }
    return (wide + 2 * scale) * 64;
  }
  char text[2] = {static_cast<char>(c), '\0'};
  if (canvas != nullptr) {
    struct Vertex {
      float x, y, z;
      unsigned char rgba[4];
    };
    struct Quad {
      Vertex corner[4];
    };
    Quad quads[32];  // a letter has fewer than 20 strokes
    const int count = stb_easy_font_print(0, 0, text, nullptr, quads, static_cast<int>(sizeof(quads)));
    for (int i = 0; i < count; ++i) {
      const Quad& quad = quads[i];
      const int x = static_cast<int>(quad.corner[0].x), y = static_cast<int>(quad.corner[0].y);
      const int w = static_cast<int>(quad.corner[2].x) - x, h = static_cast<int>(quad.corner[2].y) - y;
      canvas->fill(left + x * scale, top + y * scale, w * scale, h * scale, color);
    }
  }
  return stb_easy_font_width(text) * scale * 64;
}

int Lettering::Fonts::put(char32_t c, Canvas* canvas, int x_64, int top, int height, const Rgb& color) const {
  const Face* font = face_of(c);
  if (font == nullptr) return put_built_in(c, canvas, x_64 >> 6, top, height, color);
  const FT_Face face = font->face;
  // `height` holds ascender and descender of common fonts at 5/6 of it; the baseline lies at 3/4.
  const int load = FT_LOAD_NO_HINTING | FT_LOAD_NO_BITMAP | (canvas != nullptr ? FT_LOAD_RENDER : 0);
  if (FT_Set_Pixel_Sizes(face, 0, static_cast<FT_UInt>(std::max(height * 5 / 6, 1))) != 0 ||
      FT_Load_Glyph(face, font->glyph(c), load) != 0)
    return put_built_in(U'\uFFFD', canvas, x_64 >> 6, top, height, color);
  const auto most = static_cast<FT_Pos>(height) * static_cast<FT_Pos>(k_max_glyph_heights) * 64;
  const int advance = static_cast<int>(std::clamp<FT_Pos>(face->glyph->advance.x, 0, most));
  if (canvas == nullptr) return advance;
  const FT_Bitmap& bitmap = face->glyph->bitmap;
  const auto limit = static_cast<unsigned>(height) * k_max_glyph_heights;
  if (bitmap.pixel_mode != FT_PIXEL_MODE_GRAY || bitmap.width > limit || bitmap.rows > limit) return advance;
  const int left = (x_64 >> 6) + face->glyph->bitmap_left, above = top + height * 3 / 4 - face->glyph->bitmap_top;
  for (unsigned y = 0; y < bitmap.rows; ++y) {
    const unsigned char* row = bitmap.buffer + static_cast<std::ptrdiff_t>(y) * bitmap.pitch;
    for (unsigned x = 0; x < bitmap.width; ++x)
      if (row[x] != 0) canvas->mix(left + static_cast<int>(x), above + static_cast<int>(y), color, row[x]);
  }
  return advance;
}

int Lettering::width(std::string_view text, int height) const {
  const std::lock_guard<std::mutex> lock(fonts_->mutex);
  int end = 0;
  for (const char32_t c : characters_of(text)) end += fonts_->put(c, nullptr, 0, 0, height, {});
  return (end + 63) / 64;
}

void Lettering::draw(Canvas& canvas, int left, int top, std::string_view text, int height, const Rgb& color) const {
  const std::lock_guard<std::mutex> lock(fonts_->mutex);
  int x = left * 64;
  for (const char32_t c : characters_of(text)) x += fonts_->put(c, &canvas, x, top, height, color);
}

}  // namespace lemore::cli
