/// Text that has to fit into a part of a terminal's line.
extension TerminalText {
  /// Appends the safe form of `bytes` as far as it fits into `columns`. Where it does not, `…` is its last column.
  ///
  /// - Returns: the columns used.
  @discardableResult
  public static func append(_ bytes: UnsafeRawBufferPointer, columns: Int, to output: inout OutputBuffer) -> Int {
    guard columns > 0 else { return 0 }
    let whole = prefix(of: bytes, columns: columns)
    if whole.count == bytes.count {
      append(bytes, to: &output)
      return whole.columns
    }
    let part = prefix(of: bytes, columns: columns - 1)
    append(UnsafeRawBufferPointer(rebasing: bytes[..<part.count]), to: &output)
    output.append("…")
    return part.columns + 1
  }

  /// How many of `bytes` have a safe form that fits into `columns`, and how many columns that takes.
  public static func prefix(of bytes: UnsafeRawBufferPointer, columns: Int) -> (count: Int, columns: Int) {
    var (count, used, unseen) = (0, 0, 0)
    while count < bytes.count {
      let length: Int
      let width: Int
      if bytes[count] < 0x80 {
        length = 1
        width = columnsOfASCII(bytes[count])
      } else if let scalar = UTF8Scalar(bytes, at: count) {
        length = scalar.count
        width = scalar.steersTerminals ? "\\u{202E}".utf8.count : columnsShown(scalar.value)
      } else {
        length = 1
        width = "\\xFF".utf8.count
      }
      if used + width > columns { break }
      // Accents that pile up without end take no columns, but time.
      unseen = width == 0 ? unseen + 1 : 0
      if unseen > 16 { break }
      count += length
      used += width
    }
    return (count, used)
  }

  private static func columnsOfASCII(_ byte: UInt8) -> Int {
    switch byte {
    case 0x20...0x7E: 1
    case 0x09, 0x0A, 0x0D: "\\n".utf8.count
    default: "\\x1B".utf8.count
    }
  }

  /// Columns of a scalar beyond ASCII that is shown as it is: none for what joins the character before it, two for East
  /// Asian wide characters (Unicode, Annex 11: W and F) and emoji.
  private static func columnsShown(_ value: UInt32) -> Int {
    if value < 0x300 { return 1 }
    switch value {
    case 0x1160...0x11FF: return 0  // vowels and finals of Hangul syllables
    case 0x1100...0x115F, 0x231A...0x231B, 0x2329...0x232A, 0x23E9...0x23EC, 0x23F0, 0x23F3, 0x25FD...0x25FE,
      0x2614...0x2615, 0x2648...0x2653, 0x267F, 0x2693, 0x26A1, 0x26AA...0x26AB, 0x26BD...0x26BE, 0x26C4...0x26C5,
      0x26CE, 0x26D4, 0x26EA, 0x26F2...0x26F3, 0x26F5, 0x26FA, 0x26FD, 0x2705, 0x270A...0x270B, 0x2728, 0x274C, 0x274E,
      0x2753...0x2755, 0x2757, 0x2795...0x2797, 0x27B0, 0x27BF, 0x2B1B...0x2B1C, 0x2B50, 0x2B55, 0x2E80...0x3029,
      0x3030...0x303E, 0x3041...0x3098, 0x309B...0x4DBF, 0x4E00...0xA4CF, 0xA960...0xA97C, 0xAC00...0xD7A3,
      0xF900...0xFAFF, 0xFE10...0xFE19, 0xFE30...0xFE6B, 0xFF01...0xFF60, 0xFFE0...0xFFE6, 0x16FE0...0x18CFF,
      0x1AFF0...0x1B2FF, 0x1F004, 0x1F0CF, 0x1F18E, 0x1F191...0x1F19A, 0x1F200...0x1F320, 0x1F32D...0x1F335,
      0x1F337...0x1F37C, 0x1F37E...0x1F393, 0x1F3A0...0x1F3CA, 0x1F3CF...0x1F3D3, 0x1F3E0...0x1F3F0, 0x1F3F4,
      0x1F3F8...0x1F43E, 0x1F440, 0x1F442...0x1F4FC, 0x1F4FF...0x1F53D, 0x1F54B...0x1F54E, 0x1F550...0x1F567, 0x1F57A,
      0x1F595...0x1F596, 0x1F5A4, 0x1F5FB...0x1F64F, 0x1F680...0x1F6C5, 0x1F6CC, 0x1F6D0...0x1F6D2,
      0x1F6D5...0x1F6DF, 0x1F6EB...0x1F6EC, 0x1F6F4...0x1F6FC, 0x1F7E0...0x1F7F0, 0x1F90C...0x1F93A,
      0x1F93C...0x1F945, 0x1F947...0x1F9FF, 0x1FA70...0x1FAFF, 0x20000...0x3FFFD:
      return 2
    default:
      switch Unicode.Scalar(value)?.properties.generalCategory {
      case .nonspacingMark, .enclosingMark, .format: return 0
      default: return 1
      }
    }
  }
}
