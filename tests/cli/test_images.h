#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <vector>

// After <cstdio>, which it needs.
#include <jpeglib.h>

#include "image_io/codec_png.h"
#include "image_io/image.h"

/// An RGB image whose every pixel says where it is.
inline lemore::cli::Image gradient(int height, int width) {
  lemore::cli::Image image;
  if (!image.reset({height, width}, lemore::PixelFormat::rgb)) return image;
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      std::uint8_t* p = image.pixels.data() + (static_cast<std::size_t>(y) * width + x) * 3;
      p[0] = static_cast<std::uint8_t>(10 * x + 3);
      p[1] = static_cast<std::uint8_t>(20 * y + 1);
      p[2] = static_cast<std::uint8_t>(7 * (x + y));
    }
  }
  return image;
}

inline std::vector<std::uint8_t> as_png(const lemore::cli::Image& image) {
  lemore::cli::PictureRows picture;
  picture.size = image.size;
  picture.context = const_cast<lemore::cli::Image*>(&image);
  picture.fill_row = [](void* context, int y, std::uint8_t* row) {
    const auto* from = static_cast<const lemore::cli::Image*>(context);
    for (std::size_t i = 0; i < from->row_bytes(); ++i) row[i] = from->row(y)[i];
  };
  std::vector<std::uint8_t> bytes;
  if (!lemore::cli::encode_png(picture, bytes).ok()) bytes.clear();
  return bytes;
}

enum class JpegKind { baseline, restarts, progressive, planes, arithmetic };

/// A JPEG of `components` (1 gray, 3 RGB, 4 CMYK, as libjpeg is given them) with `exif` as its APP1 segment if not
/// empty. `planes`: a scan a component.
inline std::vector<std::uint8_t> as_jpeg(const std::uint8_t* samples, int height, int width, int components,
                                         const std::vector<std::uint8_t>& exif = {},
                                         JpegKind kind = JpegKind::baseline) {
  jpeg_compress_struct cinfo;
  jpeg_error_mgr errors;
  cinfo.err = jpeg_std_error(&errors);
  jpeg_create_compress(&cinfo);
  unsigned char* memory = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&cinfo, &memory, &size);
  cinfo.image_width = static_cast<JDIMENSION>(width);
  cinfo.image_height = static_cast<JDIMENSION>(height);
  cinfo.input_components = components;
  cinfo.in_color_space = components == 1 ? JCS_GRAYSCALE : components == 3 ? JCS_RGB : JCS_CMYK;
  jpeg_set_defaults(&cinfo);
  jpeg_set_quality(&cinfo, 100, TRUE);
  if (kind == JpegKind::progressive) jpeg_simple_progression(&cinfo);
  if (kind == JpegKind::restarts) cinfo.restart_interval = 1;
  if (kind == JpegKind::arithmetic) cinfo.arith_code = TRUE;
  jpeg_scan_info scans[4] = {};
  for (int c = 0; c < components; ++c) scans[c] = {1, {c}, 0, 63, 0, 0};
  if (kind == JpegKind::planes) {
    cinfo.scan_info = scans;
    cinfo.num_scans = components;
  }
  jpeg_start_compress(&cinfo, TRUE);
  if (!exif.empty()) jpeg_write_marker(&cinfo, JPEG_APP0 + 1, exif.data(), static_cast<unsigned>(exif.size()));
  while (cinfo.next_scanline < cinfo.image_height) {
    JSAMPROW row = const_cast<JSAMPROW>(samples + static_cast<std::size_t>(cinfo.next_scanline) * width * components);
    jpeg_write_scanlines(&cinfo, &row, 1);
  }
  jpeg_finish_compress(&cinfo);
  std::vector<std::uint8_t> bytes(memory, memory + size);
  jpeg_destroy_compress(&cinfo);
  std::free(memory);
  return bytes;
}
