import CommandLineTool
import Foundation

/// Testing has a type of this name as well.
typealias ExitStatus = CommandLineTool.ExitStatus

/// Bytes of a text.
func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

/// What `body` appends.
func output(_ body: (inout OutputBuffer) -> Void) -> [UInt8] {
  var buffer = OutputBuffer(descriptor: -1, limit: .max)
  body(&buffer)
  return buffer.withBytes { Array($0) }
}

func outputText(_ body: (inout OutputBuffer) -> Void) -> String { String(decoding: output(body), as: UTF8.self) }

/// A pipe whose ends are closed when the value goes.
final class TestPipe {
  private(set) var reading: Int32
  private(set) var writing: Int32

  init() {
    var ends: [Int32] = [-1, -1]
    precondition(pipe(&ends) == 0)
    (reading, writing) = (ends[0], ends[1])
  }

  deinit {
    closeReading()
    closeWriting()
  }

  func closeReading() {
    if reading >= 0 { close(reading) }
    reading = -1
  }

  func closeWriting() {
    if writing >= 0 { close(writing) }
    writing = -1
  }

  func makeWritingNonblocking() { _ = fcntl(writing, F_SETFL, O_NONBLOCK) }

  /// What one read(2) returns.
  func read(_ count: Int = 1 << 20) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
      filled = max(0, Foundation.read(reading, buffer.baseAddress, count))
    }
  }

  /// Everything until the writing end is closed, read by a thread of its own.
  func readAll() -> Reader { Reader(descriptor: reading) }

  final class Reader: @unchecked Sendable {
    private let done = DispatchSemaphore(value: 0)
    private var bytes: [UInt8] = []

    init(descriptor: Int32) {
      Thread.detachNewThread {
        var piece = [UInt8](repeating: 0, count: 1 << 16)
        while case let count = Foundation.read(descriptor, &piece, piece.count), count > 0 {
          self.bytes += piece[..<count]
        }
        self.done.signal()
      }
    }

    func result() -> [UInt8] {
      done.wait()
      return bytes
    }
  }
}
