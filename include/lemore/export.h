#pragma once

/// Marks what liblemore.so exports; everything else is hidden. It has no effect in a static library.
#if defined(__GNUC__)
#define LEMORE_API __attribute__((visibility("default")))
#else
#define LEMORE_API
#endif
