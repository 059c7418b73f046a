import Foundation

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// A file descriptor that is closed when nobody refers to it any more.
final class Descriptor: Sendable {
  let number: Int32

  init(_ number: Int32) {
    self.number = number
    _ = fcntl(number, F_SETFD, FD_CLOEXEC)
  }

  convenience init(open path: String) throws {
    let number = open(path, O_RDONLY | O_CLOEXEC)
    guard number >= 0 else { throw TestFailure.system("open \(path)") }
    self.init(number)
  }

  deinit {
    _ = spawning.withLock { close(number) }
  }

  static func pipe() throws -> (reading: Descriptor, writing: Descriptor) {
    var numbers: [Int32] = [0, 0]
    #if canImport(Glibc)
      let result = Glibc.pipe(&numbers)
    #elseif canImport(Musl)
      let result = Musl.pipe(&numbers)
    #else
      let result = Darwin.pipe(&numbers)
    #endif
    guard result == 0 else { throw TestFailure.system("pipe") }
    return (Descriptor(numbers[0]), Descriptor(numbers[1]))
  }

  func makeNonBlocking() {
    _ = fcntl(number, F_SETFL, fcntl(number, F_GETFL) | O_NONBLOCK)
  }

  enum Reading {
    case bytes([UInt8])
    case nothingYet
    /// No more will come: the end of data if errno is zero, else the error.
    case end(errno: Int32)
  }

  /// Reads once, at most so many bytes.
  func read(_ count: Int) -> Reading {
    var code: Int32 = 0
    let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
      var result: Int
      repeat {
        #if canImport(Glibc)
          result = Glibc.read(number, buffer.baseAddress, count)
        #elseif canImport(Musl)
          result = Musl.read(number, buffer.baseAddress, count)
        #else
          result = Darwin.read(number, buffer.baseAddress, count)
        #endif
        code = errno
      } while result < 0 && code == EINTR
      filled = max(result, 0)
      if result >= 0 { code = 0 }
    }
    if !bytes.isEmpty { return .bytes(bytes) }
    return code == EAGAIN || code == EWOULDBLOCK ? .nothingYet : .end(errno: code)
  }

  /// Writes once; the number of bytes taken, nil if the other side is gone.
  @discardableResult
  func write(_ bytes: some ContiguousBytes) -> Int? {
    bytes.withUnsafeBytes { bytes in
      var result: Int
      repeat {
        #if canImport(Glibc)
          result = Glibc.write(number, bytes.baseAddress, bytes.count)
        #elseif canImport(Musl)
          result = Musl.write(number, bytes.baseAddress, bytes.count)
        #else
          result = Darwin.write(number, bytes.baseAddress, bytes.count)
        #endif
      } while result < 0 && errno == EINTR
      if result >= 0 { return result }
      return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : nil
    }
  }
}
