"""The roofline picture, an SVG written out."""

import math
from xml.sax.saxutils import escape

COLORS = {"gemm": "#2166ac", "dwconv": "#d6604d", "conv3x3s2": "#4d9221", "nested_attention": "#762a83"}


def some_reads(kernels):
    """Four of the buffer sizes, smallest and largest among them, with the bytes a second read from them."""
    reads = kernels["reads"]
    return [reads[i] for i in sorted({0, len(reads) // 3, 2 * len(reads) // 3, len(reads) - 1})]


def kib(size):
    return f"{size >> 20} MiB" if size >= 1 << 20 else f"{size >> 10} KiB"


def percent(x, digits=0):
    return f"{100 * x:.{digits}f} %"


def roofline(kernels):
    """An SVG: GFLOP/s over FLOP a byte, both logarithmic."""
    width, height, left, right, top, bottom = 860, 520, 62, 16, 34, 48
    dots = [k for k in kernels["kernels"] if k["gflops"] > 0 and k["calls"] > 0 and not k["name"].startswith("eigen/")]
    peak = kernels["peak_gflops"]
    intensity = {k["name"]: k["gflops"] / k["gbs"] for k in dots}
    x0, x1 = min([*intensity.values(), 0.5]) / 2, max([*intensity.values(), 20]) * 2
    y1 = 2 ** math.ceil(math.log2(peak * 1.05))
    y0 = 2 ** math.floor(math.log2(min([k["gflops"] for k in dots] + [peak / 8])) - 0.5)

    def x(v):
        return left + (width - left - right) * math.log(v / x0) / math.log(x1 / x0)

    def y(v):
        return height - bottom - (height - top - bottom) * math.log(max(v, y0) / y0) / math.log(y1 / y0)

    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]

    def text(at_x, at_y, words, anchor="start", color="#333", extra=""):
        out.append(
            f'<text x="{at_x:.1f}" y="{at_y:.1f}" text-anchor="{anchor}" fill="{color}"{extra}>{escape(words)}</text>'
        )

    def line(ax, ay, bx, by, color, extra=""):
        out.append(f'<line x1="{ax:.1f}" y1="{ay:.1f}" x2="{bx:.1f}" y2="{by:.1f}" stroke="{color}"{extra}/>')

    for power in range(math.floor(math.log10(x0)), math.ceil(math.log10(x1)) + 1):
        for digit in (1, 2, 5):
            v = digit * 10.0**power
            if x0 <= v <= x1:
                line(x(v), y(y0), x(v), y(y1), "#e4e4e4")
                text(x(v), height - bottom + 16, f"{v:g}", "middle")
    v = y0
    while v <= y1:
        line(x(x0), y(v), x(x1), y(v), "#e4e4e4")
        text(left - 6, y(v) + 4, f"{v:g}", "end")
        v *= 2
    text((left + width - right) / 2, height - 10, "floating-point operations per byte that must move", "middle")
    text(
        16,
        (top + height - bottom) / 2,
        "GFLOP/s",
        "middle",
        extra=f' transform="rotate(-90 16 {(top + height - bottom) / 2:.1f})"',
    )

    shown = some_reads(kernels)
    for size, rate in shown:
        start, knee = max(x0, y0 / rate), peak / rate
        line(x(start), y(rate * start), x(knee), y(peak), "#888", ' stroke-width="1.3" stroke-dasharray="5 3"')
        slope = math.degrees(math.atan2(y(rate * start) - y(peak), x(knee) - x(start)))
        at = start * (knee / start) ** 0.12
        turn = f' transform="rotate({-slope:.1f} {x(at):.1f} {y(rate * at) - 5:.1f})" font-size="11"'
        text(x(at), y(rate * at) - 5, f"{kib(size)}: {rate:.0f} GB/s", color="#666", extra=turn)
    line(x(peak / max(r for _, r in shown)), y(peak), x(x1), y(peak), "#444", ' stroke-width="1.6"')
    text(x(x1) - 4, y(peak) - 6, f"{kernels['isa']} FMA peak {peak:.0f} GFLOP/s", "end")

    total = sum(k["us"] * k["calls"] for k in dots) or 1.0
    for k in sorted(dots, key=lambda k: -k["us"] * k["calls"]):
        share = k["us"] * k["calls"] / total
        kind = k["name"].split("/", 1)[1].split()[0]
        radius = max(2.2, 60 * math.sqrt(share))
        out.append(
            f'<circle cx="{x(intensity[k["name"]]):.1f}" cy="{y(k["gflops"]):.1f}" r="{radius:.1f}" fill="{COLORS.get(kind, "#555")}" fill-opacity="0.55" stroke="white" stroke-width="0.6">'
            f"<title>{escape(k['name'])}: {k['gflops']:.1f} GFLOP/s, {percent(share, 1)}</title></circle>"
        )
    at = left + 8
    for kind, color in COLORS.items():
        if any(f"/{kind} " in k["name"] for k in dots):
            out.append(f'<circle cx="{at}" cy="{top - 16}" r="5" fill="{color}" fill-opacity="0.7"/>')
            text(at + 9, top - 12, kind)
            at += 30 + 7 * len(kind)
    return "\n".join(out) + "\n</svg>\n"
