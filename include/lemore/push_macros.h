/* No include guard: every public header includes this behind its last include, and pop_macros.h at its end.
 *
 * X11 has `#define Status int`, and other system headers turn everyday words into macros too. This puts aside those
 * that lemore's headers use as names, so that lemore can be included before or after such a header; pop_macros.h puts
 * them back. A program that keeps X11's macro cannot spell lemore::Status itself: it writes `auto`, or #undef Status.
 *
 * tests/src/foreign_macros_test.cpp defines these macros, and the common ones that are no name here. */
#pragma push_macro("Status")  /* X11/Xlib.h */
#pragma push_macro("bytes")   /* linux/netfilter/xt_sctp.h */
#pragma push_macro("direct")  /* sys/dir.h */
#pragma push_macro("index")   /* strings.h of some systems, X11/Xos.h */
#pragma push_macro("license") /* Linux: bpf.h */
#pragma push_macro("max")     /* windows.h */
#pragma push_macro("min")     /* windows.h */
#pragma push_macro("move")    /* curses.h */
#pragma push_macro("value")   /* p11-kit/pkcs11.h */
#undef Status
#undef bytes
#undef direct
#undef index
#undef license
#undef max
#undef min
#undef move
#undef value
