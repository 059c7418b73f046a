/// Figures in few columns, for people.
enum ShortText {
  /// `999`, `12,345`, `1,234,567`
  static func grouped(_ number: Int) -> String {
    var digits = Array(String(number).utf8)
    for place in stride(from: digits.count - 3, to: 0, by: -3) { digits.insert(UInt8(ascii: ","), at: place) }
    return String(decoding: digits, as: UTF8.self)
  }

  /// Six columns at most: `999999`, `1.00M`, `12.3G`
  static func count(_ number: Int) -> String { number < 1_000_000 ? "\(number)" : scaled(Double(number)) }

  /// Five columns at most: `999`, `1.00k`, `12.3M`
  static func bytes(_ number: Int) -> String { number < 1000 ? "\(number)" : scaled(Double(number)) }

  /// Six columns at most; a blank for nothing: `0.2`, `99.9`, `12345`, `1.20M`
  static func rate(_ rate: Double) -> String {
    switch rate {
    case ..<0.05: ""
    case ..<99.95: tenths(rate)
    default: count(Int(rate.rounded()))
    }
  }

  /// Four columns at most: `0s`, `59s`, `59m`, `23h`, `999d`
  static func age(_ age: Duration) -> String {
    let seconds = max(0, age.components.seconds)
    switch seconds {
    case ..<60: return "\(seconds)s"
    case ..<3600: return "\(seconds / 60)m"
    case ..<86_400: return "\(seconds / 3600)h"
    default: return "\(seconds / 86_400)d"
    }
  }

  private static func tenths(_ number: Double) -> String {
    let tenths = Int((number * 10).rounded())
    return "\(tenths / 10).\(tenths % 10)"
  }

  /// Three digits and a letter.
  private static func scaled(_ number: Double) -> String {
    var (number, unit) = (number / 1000, 0)
    while number >= 999.5, unit < 5 { (number, unit) = (number / 1000, unit + 1) }
    let letter = ["k", "M", "G", "T", "P", "E"][unit]
    if number >= 99.95 { return "\(Int(number.rounded()))\(letter)" }
    if number >= 9.995 { return tenths(number) + letter }
    let hundredths = Int((number * 100).rounded())
    return "\(hundredths / 100).\(hundredths % 100 / 10)\(hundredths % 10)\(letter)"
  }
}
