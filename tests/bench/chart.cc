#include "chart.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

namespace bench {
namespace {

constexpr double kWidth = 860;
constexpr double kHeight = 460;
constexpr double kLeft = 70;
constexpr double kRight = 210;  // the legend
constexpr double kTop = 50;
constexpr double kBottom = 50;
constexpr std::array kColours = {"#0b6e99", "#c2410c", "#4d7c0f", "#7e22ce", "#525252"};

std::string number(double value, int digits = 1) {
  std::array<char, 48> text{};
  std::snprintf(text.data(), text.size(), "%.*f", digits, value);
  return text.data();
}

// 1, 2 or 5 times a power of ten, so that about five of them reach the end.
double step_for(double end) {
  const double power = std::pow(10, std::floor(std::log10(end / 5)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (end / (factor * power) <= 6) return factor * power;
  }
  return 10 * power;
}

struct Axes {
  double x_end;
  double y_end;
  double x(double value) const { return kLeft + value / x_end * (kWidth - kLeft - kRight); }
  double y(double value) const {
    return kHeight - kBottom - value / y_end * (kHeight - kTop - kBottom);
  }
};

std::string text(double x, double y, const char* anchor, const std::string& what) {
  return "<text x=\"" + number(x) + "\" y=\"" + number(y) + "\" text-anchor=\"" + anchor + "\">" +
         what + "</text>\n";
}

std::string grid(const Axes& axes) {
  std::string out;
  const double x_step = step_for(axes.x_end);
  const double y_step = step_for(axes.y_end);
  for (int i = 0; i * y_step <= axes.y_end * 1.0001; ++i) {
    const double y = axes.y(i * y_step);
    out += "<line x1=\"" + number(kLeft) + "\" x2=\"" + number(kWidth - kRight) + "\" y1=\"" +
           number(y) + "\" y2=\"" + number(y) + "\" stroke=\"#ddd\"/>\n";
    out += text(kLeft - 8, y + 4, "end", number(i * y_step, y_step < 1 ? 1 : 0));
  }
  for (int i = 0; i * x_step <= axes.x_end * 1.0001; ++i) {
    out += text(axes.x(i * x_step), kHeight - kBottom + 18, "middle", number(i * x_step, 0));
  }
  out += text((kLeft + kWidth - kRight) / 2, kHeight - 12, "middle", "sessions");
  out += text(kLeft, kTop - 12, "middle", "ms");
  return out;
}

std::string line(const Axes& axes, const std::vector<std::pair<double, double>>& points,
                 const std::string& colour) {
  std::string path;
  std::string dots;
  for (const auto& [x, y] : points) {
    const std::string at_x = number(axes.x(x));
    const std::string at_y = number(axes.y(y / 1000));
    path += (path.empty() ? "" : " ") + at_x + "," + at_y;
    dots += "<circle cx=\"" + at_x + "\" cy=\"" + at_y + "\" r=\"3\" fill=\"" + colour + "\"/>\n";
  }
  return "<polyline fill=\"none\" stroke-width=\"2\" stroke=\"" + colour + "\" points=\"" + path +
         "\"/>\n" + dots;
}

}  // namespace

std::string svg(const std::string& title, const Lines& lines) {
  Axes axes{0, 0};
  for (const auto& [name, points] : lines) {
    for (const auto& [x, y] : points) {
      axes.x_end = std::max(axes.x_end, x);
      axes.y_end = std::max(axes.y_end, y / 1000);
    }
  }
  if (axes.x_end <= 0 || axes.y_end <= 0) return {};
  std::string out = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 " + number(kWidth, 0) +
                    " " + number(kHeight, 0) +
                    "\" font-family=\"sans-serif\" font-size=\"13\">\n"
                    "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n" +
                    text(kLeft, 24, "start", title) + grid(axes);
  std::size_t i = 0;
  for (const auto& [name, points] : lines) {
    auto sorted = points;
    std::sort(sorted.begin(), sorted.end());
    const std::string colour = kColours[i % kColours.size()];
    out += line(axes, sorted, colour);
    const double y = kTop + 20 * static_cast<double>(i++);
    out += "<rect x=\"" + number(kWidth - kRight + 20) + "\" y=\"" + number(y - 9) +
           "\" width=\"12\" height=\"12\" fill=\"" + colour + "\"/>\n" +
           text(kWidth - kRight + 38, y + 2, "start", name);
  }
  return out + "</svg>\n";
}

}  // namespace bench
