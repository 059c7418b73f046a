import Foundation
import Testing

@testable import CommandLineTool

struct OutputBufferTests {
  init() { Signals.ignoreBrokenPipes() }

  @Test("what is appended comes out in order, with one write")
  func order() throws {
    let pipe = TestPipe()
    var buffer = OutputBuffer(descriptor: pipe.writing)
    buffer.append("a µ ")
    buffer.append([0, 255])
    buffer.append(UInt8(ascii: "z"))
    buffer.append([])
    #expect(buffer.count == 8)
    try buffer.flush()
    #expect(buffer.count == 0)
    #expect(pipe.read() == [0x61, 0x20, 0xC2, 0xB5, 0x20, 0, 255, 0x7A])
  }

  @Test(
    "numbers are written in decimal digits",
    arguments: [
      (0, 1, "0"), (0, 0, ""), (7, 1, "7"), (7, 3, "007"), (1234, 2, "1234"), (-5, 1, "-5"), (-5, 2, "-05"),
      (Int.max, 1, "9223372036854775807"), (Int.min, 1, "-9223372036854775808"), (1, 25, "00000000000000000001"),
    ])
  func decimals(number: Int, width: Int, text: String) {
    #expect(outputText { $0.append(decimal: number, width: width) } == text)
  }

  @Test("a buffer beyond its limit writes by itself")
  func limit() throws {
    let pipe = TestPipe()
    var buffer = OutputBuffer(descriptor: pipe.writing, limit: 10)
    buffer.append("0123456789")
    #expect(buffer.count == 10)
    buffer.append("a")
    #expect(buffer.count == 0)
    #expect(pipe.read() == bytes("0123456789a"))
  }

  @Test("more than a pipe holds is written while it is read", arguments: [false, true])
  func largeOutput(isNonblocking: Bool) throws {
    let pipe = TestPipe()
    if isNonblocking { pipe.makeWritingNonblocking() }
    let reader = pipe.readAll()
    let piece = [UInt8]((0..<999_983).map { UInt8(truncatingIfNeeded: $0) })
    var buffer = OutputBuffer(descriptor: pipe.writing, limit: .max)
    for _ in 0..<3 { buffer.append(piece) }
    try buffer.flush()
    #expect(buffer.count == 0)
    pipe.closeWriting()
    #expect(reader.result().elementsEqual(piece + piece + piece))
  }

  @Test("without waiting, only what fits is written, and the rest stays in order")
  func partialOutput() throws {
    let pipe = TestPipe()
    let all = [UInt8]((0..<300_000).map { UInt8(truncatingIfNeeded: $0 / 3) })
    var buffer = OutputBuffer(descriptor: pipe.writing, limit: .max)
    buffer.append(all)
    var received: [UInt8] = []
    var roundsWithRest = 0
    while buffer.count > 0 {
      try buffer.flushWithoutWaiting()
      if buffer.count > 0 { roundsWithRest += 1 }
      received += pipe.read()
    }
    #expect(roundsWithRest > 0)
    while received.count < all.count { received += pipe.read() }
    #expect(received.elementsEqual(all))
  }

  @Test("a reader that is gone is told as closed, then and later")
  func closedPipe() {
    let pipe = TestPipe()
    pipe.closeReading()
    var buffer = OutputBuffer(descriptor: pipe.writing, limit: 3)
    buffer.append("abcd")
    buffer.append("e")
    #expect(buffer.count == 0)
    for _ in 0..<2 {
      var error: OutputError?
      do { try buffer.flush() } catch let failure { error = failure }
      #expect(error == .closed)
    }
  }

  @Test("another failure keeps its call and number")
  func badDescriptor() {
    var buffer = OutputBuffer(descriptor: -1, limit: .max)
    buffer.append("a")
    var error: OutputError?
    do { try buffer.flush() } catch let failure { error = failure }
    #expect(error == .system(SystemError(call: "write", number: EBADF)))
    #expect(SystemError(call: "write", number: EBADF).explanation == "Bad file descriptor")
  }

  @Test("a full disk is a failure")
  func fullDisk() throws {
    let device = open("/dev/full", O_WRONLY)
    try #require(device >= 0)
    defer { close(device) }
    var buffer = OutputBuffer(descriptor: device)
    buffer.append("a")
    var error: OutputError?
    do { try buffer.flush() } catch let failure { error = failure }
    #expect(error == .system(SystemError(call: "write", number: ENOSPC)))
  }

  @Test("a pipe is no terminal")
  func terminal() {
    let pipe = TestPipe()
    #expect(OutputBuffer(descriptor: pipe.writing).isTerminal == false)
  }
}
