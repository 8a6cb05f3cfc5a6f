/* The same as segment_image.cpp in C: capi MODEL prints the share of each class. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lemore/lemore.h"

enum { height = 360, width = 480 };

int main(int argc, char** argv) {
  static uint8_t pixels[height * width * 3], labels[height * width];
  size_t count[256] = {0};
  lemore_error error;
  lemore_model* model = NULL;
  lemore_segmenter* segmenter = NULL;
  lemore_model_info info = {0};
  lemore_image image = {pixels, height, width, width * 3, LEMORE_RGB};
  lemore_labels map = {labels, height, width, width};
  size_t i;
  if (argc != 2) return fprintf(stderr, "usage: capi MODEL\n"), 2;
  memset(pixels, 200, sizeof pixels); /* light above, dark below, as a street is */
  memset(pixels + 200 * width * 3, 70, sizeof pixels - 200 * width * 3);

  info.struct_size = sizeof info;
  if (lemore_model_load(argv[1], NULL, &model, &error) != LEMORE_OK ||
      lemore_model_get_info(model, &info, &error) != LEMORE_OK ||
      lemore_segmenter_create(model, NULL, &segmenter, &error) != LEMORE_OK ||
      lemore_segmenter_segment(segmenter, &image, &map, NULL, &error) != LEMORE_OK)
    return fprintf(stderr, "%s\n", error.message), 1;

  for (i = 0; i < height * width; ++i) ++count[labels[i]];
  for (i = 0; i < info.class_count; ++i) {
    lemore_class c;
    if (lemore_model_get_class(model, i, &c, &error) != LEMORE_OK) return fprintf(stderr, "%s\n", error.message), 1;
    printf("%-12s %5.1f %%\n", c.name, 100.0 * (double)count[i] / (height * width));
  }
  lemore_segmenter_free(segmenter);
  lemore_model_free(model);
  return 0;
}
