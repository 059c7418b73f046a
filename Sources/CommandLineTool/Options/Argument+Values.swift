extension Argument {
  /// The word in quotes, for messages; its beginning if it is long.
  public var quoted: String {
    let text = String(decoding: bytes.prefix(400), as: UTF8.self)
    return bytes.count > 80 ? "\"\(text.prefix(77))...\"" : "\"\(text)\""
  }

  /// The word as text.
  public func text() throws(UsageError) -> String {
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw UsageError("\(quoted) is not valid UTF-8")
    }
    return text
  }

  /// The one of `choices` that the word spells.
  public func choice<Value>(_ choices: [(name: String, value: Value)]) throws(UsageError) -> Value {
    for choice in choices where bytes.elementsEqual(choice.name.utf8) { return choice.value }
    throw UsageError("\(quoted) is not \(alternatives(choices.map(\.name)))")
  }

  /// A whole decimal number within `range`.
  public func number(in range: ClosedRange<Int>) throws(UsageError) -> Int {
    if let value = wholeNumber(bytes), range.contains(value) { return value }
    let limits = range.upperBound == .max ? "" : " to \(range.upperBound)"
    throw UsageError("\(quoted) is not a number from \(range.lowerBound)\(limits)")
  }

  /// A time: a number of seconds, or one with a unit (500ms, 2s, 5m, 1h, 7d). Fractions are welcome.
  public func duration() throws(UsageError) -> Duration {
    let second = 1_000_000_000
    let units = [
      ("", second), ("ms", second / 1000), ("s", second), ("m", 60 * second), ("h", 3600 * second),
      ("d", 86_400 * second),
    ]
    if let nanoseconds = quantity(units) { return .nanoseconds(nanoseconds) }
    throw UsageError("\(quoted) is not a time such as 10, 0.5, 500ms, 2s, 5m, 1h or 7d")
  }

  /// A time that is longer than none.
  public func durationAboveZero() throws(UsageError) -> Duration {
    let duration = try duration()
    guard duration > .zero else { throw UsageError("\(quoted) is not a time above zero") }
    return duration
  }

  /// A count of bytes, plain or with k, M, G (thousands) or Ki, Mi, Gi (powers of 1,024).
  public func size() throws(UsageError) -> Int {
    let units = [
      ("", 1), ("k", 1000), ("M", 1_000_000), ("G", 1_000_000_000), ("Ki", 1 << 10), ("Mi", 1 << 20), ("Gi", 1 << 30),
    ]
    if let size = quantity(units) { return size }
    throw UsageError("\(quoted) is not a size such as 4096, 64k, 10M or 64Mi")
  }

  /// A number, perhaps with a fraction, times the one of `units` that stands behind it. Nil unless that is whole.
  func quantity(_ units: [(name: String, factor: Int)]) -> Int? {
    let whole = bytes.prefix(while: isDigit)
    var rest = bytes[whole.endIndex...]
    var fraction: ArraySlice<UInt8> = []
    if rest.first == UInt8(ascii: ".") {
      fraction = rest.dropFirst().prefix(while: isDigit)
      rest = rest[fraction.endIndex...]
      if fraction.isEmpty { return nil }
    }
    guard let factor = units.first(where: { rest.elementsEqual($0.name.utf8) })?.factor,
      let digits = wholeNumber(whole + fraction), fraction.count <= 18
    else { return nil }
    let scale = fraction.reduce(1) { scale, _ in scale * 10 }
    let product = digits.multipliedFullWidth(by: factor)
    guard product.high < scale else { return nil }  // Else the quotient would not fit.
    let (quotient, remainder) = scale.dividingFullWidth(product)
    return remainder == 0 ? quotient : nil
  }
}

private func isDigit(_ byte: UInt8) -> Bool { byte &- UInt8(ascii: "0") < 10 }

/// Nil for anything but digits, and for what is too large.
private func wholeNumber(_ bytes: some Collection<UInt8>) -> Int? {
  guard !bytes.isEmpty, bytes.allSatisfy(isDigit) else { return nil }
  var number = 0
  for byte in bytes {
    let (tenfold, isTooLarge) = number.multipliedReportingOverflow(by: 10)
    let (sum, isTooLargeNow) = tenfold.addingReportingOverflow(Int(byte &- UInt8(ascii: "0")))
    if isTooLarge || isTooLargeNow { return nil }
    number = sum
  }
  return number
}

/// "a", "a or b", "a, b or c".
private func alternatives(_ names: [String]) -> String {
  guard let last = names.last, names.count > 1 else { return names.joined() }
  return "\(names.dropLast().joined(separator: ", ")) or \(last)"
}
