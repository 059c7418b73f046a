import Testing

@testable import CommandLineTool

struct PlainBytesTests {
  @Test(
    "every byte is found at every place of its word, and behind other bytes that need care", arguments: [false, true])
  func everyByte(ofJSON: Bool) {
    for byte in UInt8.min...UInt8.max {
      let isPlain = (0x20...0x7E).contains(byte) && !(ofJSON && (byte == 0x22 || byte == 0x5C))
      for place in 0..<20 {
        for next in [0x61, 0x21, 0x23, 0x5B, 0x5D, 0x7E, 0x80, 0x00] as [UInt8] {
          var text = [UInt8](repeating: 0x61, count: 27)
          text[place] = byte
          text[place + 1] = next
          // What stands before the start does not count.
          for start in [0, 1, place] where start <= place {
            let count = text.withUnsafeBytes { PlainBytes.count(in: $0, from: start, ofJSON: ofJSON) }
            if isPlain {
              #expect(count + start > place, "\(byte) at \(place)")
            } else {
              #expect(count + start == place, "\(byte) at \(place)")
            }
          }
        }
      }
    }
  }

  @Test("a text of plain bytes is counted to its end", arguments: 0...25)
  func lengths(count: Int) {
    let text = [UInt8](repeating: 0x7E, count: count)
    for start in 0...count {
      #expect(text.withUnsafeBytes { PlainBytes.count(in: $0, from: start, ofJSON: true) } == count - start)
    }
  }
}
