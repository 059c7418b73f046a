/// Numbers as people read them.
enum Figures {
  /// A number with so many decimals.
  static func decimals(_ number: Double, _ count: Int) -> String {
    guard number.isFinite, abs(number) < 1e15 else { return "–" }
    let scale = (0..<count).reduce(1) { scale, _ in scale * 10 }
    let scaled = Int((abs(number) * Double(scale)).rounded())
    let sign = number < 0 && scaled > 0 ? "−" : ""
    guard count > 0 else { return "\(sign)\(scaled)" }
    let fraction = "\(scaled % scale)"
    return "\(sign)\(scaled / scale)." + String(repeating: "0", count: count - fraction.count) + fraction
  }

  /// A time as milliseconds with four digits or a little more.
  static func milliseconds(_ nanoseconds: Double) -> String {
    let time = abs(nanoseconds) / 1e6
    return decimals(nanoseconds / 1e6, time < 9.9995 ? 3 : time < 99.995 ? 2 : time < 999.95 ? 1 : 0)
  }

  static func milliseconds(_ nanoseconds: Int64) -> String { milliseconds(Double(nanoseconds)) }

  /// A number a second.
  static func rate(_ rate: Double) -> String { rate < 99.95 ? decimals(rate, 1) : grouped(Int(rate.rounded())) }

  /// A number in as few signs as tell it: `0.12`, `12.3`, `4,700`, `4.7M`.
  static func short(_ number: Double) -> String {
    let size = abs(number)
    for (limit, letter) in [(1e12, "T"), (1e9, "G"), (1e6, "M")] where size >= 0.9995 * limit {
      return short(number / limit) + letter
    }
    if size >= 999.5 { return grouped(Int(number.rounded())) }
    let text = decimals(number, size >= 99.95 ? 0 : size >= 9.995 ? 1 : size >= 0.9995 ? 2 : 3)
    guard text.contains(".") else { return text }
    let end = text.lastIndex { $0 != "0" }!
    return String(text[...(text[end] == "." ? text.index(before: end) : end)])
  }

  /// A count with its thousands apart.
  static func grouped(_ number: Int) -> String {
    let digits = Array("\(number.magnitude)")
    var text = number < 0 ? "−" : ""
    for (index, digit) in digits.enumerated() {
      if index > 0, (digits.count - index) % 3 == 0 { text += "," }
      text.append(digit)
    }
    return text
  }

  /// A percentile's name: `p99.9` for 9,990.
  static func percentile(_ hundredths: Int) -> String {
    let (whole, rest) = hundredths.quotientAndRemainder(dividingBy: 100)
    if rest == 0 { return "p\(whole)" }
    return rest % 10 == 0 ? "p\(whole).\(rest / 10)" : "p\(whole).\(rest < 10 ? "0" : "")\(rest)"
  }

  static func left(_ text: String, _ width: Int) -> String { text + blanks(width - columns(text)) }

  static func right(_ text: String, _ width: Int) -> String { blanks(width - columns(text)) + text }

  private static func columns(_ text: String) -> Int { text.unicodeScalars.count }

  private static func blanks(_ count: Int) -> String { String(repeating: " ", count: max(0, count)) }
}
