// lemore's headers behind headers that define everyday words as macros: X11's and curses' own where they are installed,
// and the same macros (and those of windows.h, Qt and others) made here.
#include <algorithm>
#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#if __has_include(<X11/Xlib.h>)
#include <X11/Xlib.h>
#endif
#if __has_include(<curses.h>)
#include <curses.h>
#endif

// What lemore's headers use as names. The text makes no sense in C++, so a header that saw it would not compile.
#undef Status
#define Status X11(Status)
#define bytes Linux(bytes)
#define direct Linux(direct)
#define index(a, b) X11(index)
#define license Linux(license)
#define max(a, b) (((a) > (b)) ? (a) : (b))
#define min(a, b) (((a) < (b)) ? (a) : (b))
#define move(y, x) curses(y x)
#define value PKCS(value)

// What they do not, so that it stays so.
#undef Above
#undef Always
#undef Below
#undef Bool
#undef Complex
#undef Convex
#undef False
#undef None
#undef OK
#undef ERR
#undef Success
#undef TRUE
#undef True
#undef FALSE
#undef Unsorted
#define Above X11(Above)
#define Always X11(Always)
#define Below X11(Below)
#define Bool X11(Bool)
#define Complex X11(Complex)
#define Convex X11(Convex)
#define DELETE windows(DELETE)
#define ERR curses(ERR)
#define ERROR windows(ERROR)
#define FALSE curses(FALSE)
#define False X11(False)
#define I C(I)
#define IN windows(IN)
#define NO ObjC(NO)
#define None X11(None)
#define OK curses(OK)
#define OPTIONAL windows(OPTIONAL)
#define OUT windows(OUT)
#define Success X11(Success)
#define TRUE curses(TRUE)
#define True X11(True)
#define Unsorted X11(Unsorted)
#define YES ObjC(YES)
#define check Apple(check)
#define emit Qt(emit)
#define far windows(far)
#define foreach Qt(foreach)
#define interface windows(interface)
#define major glibc(major)
#define minor glibc(minor)
#define near windows(near)
#define nil ObjC(nil)
#define require Apple(require)
#define signals Qt(signals)
#define slots Qt(slots)
#define small windows(small)
#define verify Apple(verify)

#include "lemore/cpu.h"
#include "lemore/image.h"
#include "lemore/lemore.h"
#include "lemore/model.h"
#include "lemore/parallel.h"
#include "lemore/segmenter.h"
#include "lemore/session.h"
#include "lemore/status.h"
#include "lemore/tensor.h"
#include "lemore/thread_pool.h"

// The program has its macros back.
#if !defined(Status) || !defined(bytes) || !defined(direct) || !defined(index) || !defined(license)
#error "a macro is lost"
#endif
#if !defined(max) || !defined(min) || !defined(move) || !defined(value) || !defined(None)
#error "a macro is lost"
#endif
static_assert(max(1, 2) == 2 && min(1, 2) == 1, "");

#undef Above
#undef Always
#undef Below
#undef Bool
#undef Complex
#undef Convex
#undef DELETE
#undef ERR
#undef ERROR
#undef FALSE
#undef False
#undef I
#undef IN
#undef NO
#undef None
#undef OK
#undef OPTIONAL
#undef OUT
#undef Status
#undef Success
#undef TRUE
#undef True
#undef Unsorted
#undef YES
#undef bytes
#undef check
#undef direct
#undef emit
#undef far
#undef foreach
#undef index
#undef interface
#undef license
#undef major
#undef max
#undef min
#undef minor
#undef move
#undef near
#undef nil
#undef require
#undef signals
#undef slots
#undef small
#undef value
#undef verify

#include <catch2/catch.hpp>
#include <filesystem>

#include "support/files.h"

TEST_CASE("a program with X11's macros uses lemore", "[macros]") {
  const auto model = lemore::Model::load("no such file");
  CHECK(model.status().code() == lemore::StatusCode::io_error);
}

TEST_CASE("every public header puts macros aside and back", "[macros]") {
  int seen = 0;
  for (const auto& entry : std::filesystem::directory_iterator(LEMORE_SOURCE_DIR "/include/lemore")) {
    const std::string name = entry.path().filename().string();
    if (name == "push_macros.h" || name == "pop_macros.h" || name == "export.h") continue;
    INFO(name);
    const std::string text = lemore::test::read_file(entry.path().string());
    const std::size_t push = text.find("#include \"lemore/push_macros.h\""),
                      pop = text.find("#include \"lemore/pop_macros.h\"");
    REQUIRE(push != std::string::npos);
    REQUIRE(pop != std::string::npos);
    CHECK(text.find("#include", push + 1) == pop);  // nothing of others in between
    ++seen;
  }
  CHECK(seen >= 10);
}
