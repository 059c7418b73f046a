internal import CommandLineTool

/// A picture of lines over two axes as SVG, in the colours of the page that it stands in.
struct Plot {
  /// How values lie on an axis.
  enum Scale {
    case linear(from: Double, to: Double)
    /// Decades are equally long.
    case logarithmic(from: Double, to: Double)

    /// Where a value lies, from 0 to 1 on the axis.
    func place(_ value: Double) -> Double {
      switch self {
      case .linear(let from, let to): (value - from) / max(to - from, .leastNormalMagnitude)
      case .logarithmic(let from, let to):
        decades(max(value, from) / from) / max(decades(to / from), .leastNormalMagnitude)
      }
    }
  }

  /// What a picture measures, and the margins that its axes need, in units of the page at its widest.
  struct Size {
    var width, height, left, right, top, bottom: Double

    /// As wide as the page.
    static let wide = Size(width: 900, height: 300, left: 76, right: 30, top: 26, bottom: 44)
    /// One of three beside each other.
    static let small = Size(width: 290, height: 128, left: 58, right: 14, top: 8, bottom: 24)
  }

  private let size: Size
  private let horizontal: Scale
  private let vertical: Scale
  private var grid = ""
  private var marks = ""
  private let title: String

  /// - Parameter title: what there is to see, for those who cannot.
  init(_ title: String, _ size: Size = .wide, horizontal: Scale, vertical: Scale) {
    self.title = title
    self.size = size
    self.horizontal = horizontal
    self.vertical = vertical
  }

  private func x(_ value: Double) -> Double {
    size.left + (size.width - size.left - size.right) * min(1, max(0, horizontal.place(value)))
  }

  private func y(_ value: Double) -> Double {
    size.height - size.bottom - (size.height - size.top - size.bottom) * min(1, max(0, vertical.place(value)))
  }

  private func number(_ value: Double) -> String { Figures.decimals(value, 1).replacingMinus }

  mutating func verticalTick(_ value: Double, _ label: String) {
    let y = number(y(value))
    grid +=
      "<line class=\"grid\" x1=\"\(number(size.left))\" x2=\"\(number(size.width - size.right))\" y1=\"\(y)\" y2=\"\(y)\"/>"
    grid +=
      "<text x=\"\(number(size.left - 8))\" y=\"\(y)\" dy=\".35em\" text-anchor=\"end\">\(HTML.escaped(label))</text>"
  }

  mutating func horizontalTick(_ value: Double, _ label: String) {
    let x = number(x(value))
    grid +=
      "<line class=\"grid\" x1=\"\(x)\" x2=\"\(x)\" y1=\"\(number(size.top))\" y2=\"\(number(size.height - size.bottom))\"/>"
    grid +=
      "<text x=\"\(x)\" y=\"\(number(size.height - size.bottom + 17))\" text-anchor=\"middle\">\(HTML.escaped(label))</text>"
  }

  /// What the horizontal axis is.
  mutating func caption(_ text: String) {
    grid +=
      "<text class=\"caption\" x=\"\(number(size.width - size.right))\" y=\"\(number(size.height - 6))\" text-anchor=\"end\">"
    grid += "\(HTML.escaped(text))</text>"
  }

  /// A part of the picture that is not like the rest.
  mutating func shade(from: Double, to: Double, _ label: String, isBad: Bool = false) {
    let (start, end) = (x(from), x(to))
    guard end > start else { return }
    grid +=
      "<rect class=\"\(isBad ? "bad" : "shade")\" x=\"\(number(start))\" y=\"\(number(size.top))\" width=\"\(number(end - start))\""
    grid += " height=\"\(number(size.height - size.top - size.bottom))\"/>"
    grid +=
      "<text class=\"caption\" x=\"\(number((start + end) / 2))\" y=\"\(number(size.top + 14))\" text-anchor=\"middle\">"
    grid += "\(HTML.escaped(label))</text>"
  }

  /// A line in one of the colours a to c, or grey.
  mutating func line(_ points: [(Double, Double)], colour: String) {
    guard points.count > 1 else {
      if let point = points.first { mark(point, colour: colour) }
      return
    }
    let path = points.map { "\(number(x($0.0))),\(number(y($0.1)))" }.joined(separator: " ")
    marks += "<polyline class=\"line \(colour)\" points=\"\(path)\"/>"
  }

  mutating func mark(_ point: (Double, Double), colour: String, label: String = "") {
    let (x, y) = (x(point.0), y(point.1))
    marks += "<circle class=\"mark \(colour)\" cx=\"\(number(x))\" cy=\"\(number(y))\" r=\"4\"/>"
    if !label.isEmpty {
      // To the left above it, or where there is no room, to the right below.
      let hasRoom = x > size.left + 130
      marks +=
        "<text class=\"label\" x=\"\(number(hasRoom ? x - 7 : x + 8))\" y=\"\(number(hasRoom ? y - 9 : y + 19))\""
      marks += " text-anchor=\"\(hasRoom ? "end" : "start")\">"
      marks += "\(HTML.escaped(label))</text>"
    }
  }

  var svg: String {
    "<svg viewBox=\"0 0 \(Int(size.width)) \(Int(size.height))\" role=\"img\"><title>\(HTML.escaped(title))</title>\(grid)\(marks)</svg>"
  }

  // MARK: - Round numbers

  /// 1, 2 and 5 times powers of ten that enclose two numbers above 0.
  static func roundRange(_ from: Double, _ to: Double) -> ClosedRange<Double> {
    let all = roundNumbers
    let low = all.last { $0 <= from } ?? all[0]
    let high = all.first { $0 >= to && $0 > low } ?? all[all.count - 1]
    return low...high
  }

  /// The round numbers in a range, not too many of them.
  static func roundTicks(_ range: ClosedRange<Double>) -> [Double] {
    let all = roundNumbers.filter { $0 >= range.lowerBound * 0.999 && $0 <= range.upperBound * 1.001 }
    if all.count <= 9 { return all }
    return all.filter { decades($0).rounded() == decades($0) || abs(decades($0) - decades($0).rounded()) < 1e-9 }
  }

  private static let roundNumbers: [Double] = {
    var numbers: [Double] = []
    var decade = 1e-3
    while decade < Self.limit * 10 {
      numbers += [decade, 2 * decade, 5 * decade]
      decade *= 10
    }
    return numbers
  }()

  /// No axis reaches further.
  static let limit = 1e15

  /// A linear axis from 0 that holds `most`, which is no larger than `limit`, and its ticks: so many, or fewer, besides 0.
  static func ticks(upTo most: Double, _ count: Double = 5) -> [Double] {
    let step = roundNumbers.first { $0 * count >= max(most, 1e-3) } ?? limit
    return (0...Int((most / step).rounded(.up))).map { Double($0) * step }
  }
}

/// The logarithm to base ten of a number above 0; nothing of the C library is needed for pictures.
func decades(_ number: Double) -> Double {
  guard number > 0, number.isFinite else { return 0 }
  // log2 of the fraction by repeated squaring, 40 bits of it.
  var fraction = number.significand
  var result = Double(number.exponent)
  var bit = 0.5
  for _ in 0..<40 {
    fraction *= fraction
    if fraction >= 2 {
      fraction /= 2
      result += bit
    }
    bit /= 2
  }
  return result * 0.301_029_995_663_981_2
}

extension String {
  /// Numbers in SVG have an ASCII minus.
  fileprivate var replacingMinus: String { hasPrefix("−") ? "-" + dropFirst() : self }
}

enum HTML {
  /// Text that means itself in HTML, in attributes too. Control characters, which HTML cannot hold, become U+FFFD.
  static func escaped(_ text: some StringProtocol) -> String {
    var escaped = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": escaped += "&amp;"
      case "<": escaped += "&lt;"
      case ">": escaped += "&gt;"
      case "\"": escaped += "&quot;"
      case "'": escaped += "&#39;"
      case "\t", "\n": escaped.unicodeScalars.append(scalar)
      default:
        // What turns the writing direction would show one text as another.
        escaped.unicodeScalars.append(UTF8Scalar.steersTerminals(scalar.value) ? "\u{FFFD}" : scalar)
      }
    }
    return escaped
  }
}
