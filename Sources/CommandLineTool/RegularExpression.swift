#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// A POSIX extended regular expression. It sees bytes, not characters: `.` is any of them but NUL.
final class RegularExpression: @unchecked Sendable {
  private let compiled: UnsafeMutablePointer<regex_t>

  /// Throws what the C library says against `pattern`.
  init(_ pattern: [UInt8]) throws(UsageError) {
    let compiled = UnsafeMutablePointer<regex_t>.allocate(capacity: 1)
    compiled.initialize(to: regex_t())
    let code = (pattern + [0]).withUnsafeBytes { pattern in
      regcomp(compiled, pattern.assumingMemoryBound(to: CChar.self).baseAddress!, REG_EXTENDED | REG_NOSUB)
    }
    guard code == 0 else {
      var text = [UInt8](repeating: 0, count: 200)
      let length = text.withUnsafeMutableBytes {
        regerror(code, compiled, $0.assumingMemoryBound(to: CChar.self).baseAddress, $0.count)
      }
      compiled.deallocate()
      throw UsageError("regular expression: " + String(decoding: text.prefix(max(0, length - 1)), as: UTF8.self))
    }
    self.compiled = compiled
  }

  deinit {
    regfree(compiled)
    compiled.deallocate()
  }

  /// Whether it matches anywhere in `bytes`.
  func matches(_ bytes: UnsafeRawBufferPointer) -> Bool {
    withUnsafeTemporaryAllocation(byteCount: 1, alignment: 1) { nothing in
      let start = bytes.baseAddress ?? UnsafeRawPointer(nothing.baseAddress!)
      // The range says where the text ends, so that bytes of 0 count (REG_STARTEND).
      var range = regmatch_t(rm_so: 0, rm_eo: regoff_t(clamping: bytes.count))
      return regexec(compiled, start.assumingMemoryBound(to: CChar.self), 1, &range, REG_STARTEND) == 0
    }
  }
}
