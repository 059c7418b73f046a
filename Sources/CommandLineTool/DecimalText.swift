/// A number as decimal text of any length, compared by its value and never rounded: `1.50` equals `15e-1`, and
/// 9007199254740993 is greater than 9007199254740992. The bytes are borrowed.
struct DecimalText {
  private let isNegative: Bool
  /// From the first digit that is not 0 to the last, with the point where it lies between them.
  private let digits: Slice<UnsafeRawBufferPointer>
  /// The value is 0.digits × 10^exponent.
  private let exponent: Int

  /// The number that `text` is, blanks around it apart, or nil. Exponents end at a million billion.
  init?(_ text: UnsafeRawBufferPointer) {
    var rest = text[...]
    while let first = rest.first, JSONScanner.isBlank(first) { rest = rest.dropFirst() }
    while let last = rest.last, JSONScanner.isBlank(last) { rest = rest.dropLast() }

    let sign = rest.first
    if sign == UInt8(ascii: "-") || sign == UInt8(ascii: "+") { rest = rest.dropFirst() }
    let whole = rest.prefix(while: Self.isDigit)
    var mantissa = whole
    rest = rest.dropFirst(whole.count)
    if rest.first == UInt8(ascii: ".") {
      let fraction = rest.dropFirst().prefix(while: Self.isDigit)
      guard whole.count + fraction.count > 0 else { return nil }
      mantissa = text[whole.startIndex..<fraction.endIndex]
      rest = text[fraction.endIndex..<rest.endIndex]
    }
    guard mantissa.count > 0, let shift = Self.exponent(rest) else { return nil }

    let isSignificant = { (byte: UInt8) in byte != UInt8(ascii: "0") && byte != UInt8(ascii: ".") }
    guard let first = mantissa.firstIndex(where: isSignificant), let last = mantissa.lastIndex(where: isSignificant)
    else {
      (isNegative, digits, exponent) = (false, mantissa.prefix(0), 0)
      return
    }
    isNegative = sign == UInt8(ascii: "-")
    digits = mantissa[first...last]
    exponent = whole.endIndex - first + (first > whole.endIndex ? 1 : 0) + shift
  }

  private static func isDigit(_ byte: UInt8) -> Bool { byte &- UInt8(ascii: "0") < 10 }

  /// What stands behind the digits: nothing, or `e` and a number.
  private static func exponent(_ text: Slice<UnsafeRawBufferPointer>) -> Int? {
    guard let first = text.first else { return 0 }
    guard first | 0x20 == UInt8(ascii: "e") else { return nil }
    var digits = text.dropFirst()
    let isNegative = digits.first == UInt8(ascii: "-")
    if isNegative || digits.first == UInt8(ascii: "+") { digits = digits.dropFirst() }
    guard !digits.isEmpty, digits.allSatisfy(isDigit) else { return nil }
    let limit = 1_000_000_000_000_000
    let number = digits.reduce(0) { min($0 * 10 + Int($1 - UInt8(ascii: "0")), limit) }
    return isNegative ? -number : number
  }

  /// Less than, equal to or greater than zero as `self` is less than, equal to or greater than `other`.
  func compare(with other: DecimalText) -> Int {
    if isNegative != other.isNegative { return isNegative ? -1 : 1 }
    let order = compareMagnitude(with: other)
    return isNegative ? -order : order
  }

  private func compareMagnitude(with other: DecimalText) -> Int {
    if digits.isEmpty || other.digits.isEmpty { return digits.count.signum() - other.digits.count.signum() }
    if exponent != other.exponent { return exponent < other.exponent ? -1 : 1 }
    var (ours, theirs) = (digits.makeIterator(), other.digits.makeIterator())
    while true {
      // A point is only passed over: where it stands is in the exponent.
      var (our, their) = (ours.next(), theirs.next())
      if our == UInt8(ascii: ".") { our = ours.next() }
      if their == UInt8(ascii: ".") { their = theirs.next() }
      if our != their { return (our ?? 0) < (their ?? 0) ? -1 : 1 }
      if our == nil { return 0 }
    }
  }
}
