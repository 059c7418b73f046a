import MQTT
import Testing

@Suite("A byte queue")
struct ByteQueueTests {
  @Test("gives what an array gives, whatever is appended and consumed")
  func behavesAsAnArray() {
    var random = SeededGenerator(state: 1)
    var queue = ByteQueue()
    var expected: [UInt8] = []
    for round in 0..<3_000 {
      switch Int.random(in: 0..<10, using: &random) {
      case 0..<3:
        let bytes = (0..<Int.random(in: 0..<2_000, using: &random)).map { UInt8(truncatingIfNeeded: $0 &+ round) }
        queue.append(bytes)
        expected += bytes
      case 3:
        queue.append(UInt8(truncatingIfNeeded: round))
        expected.append(UInt8(truncatingIfNeeded: round))
      case 4:
        let filled = Int.random(in: 0...300, using: &random)
        queue.append(minimumCapacity: 300) { room in
          #expect(room.count >= 300)
          for index in 0..<filled { room[index] = 7 }
          return filled
        }
        expected += [UInt8](repeating: 7, count: filled)
      case 5 where round.isMultiple(of: 50):
        queue.removeAll()
        expected = []
      default:
        let count = Int.random(in: 0...expected.count, using: &random)
        queue.consume(count)
        expected.removeFirst(count)
      }
      #expect(queue.count == expected.count)
      let isEmpty = queue.isEmpty
      #expect(isEmpty == expected.isEmpty)
      let isSame = queue.withBytes { $0.elementsEqual(expected) }
      #expect(isSame, "round \(round)")
    }
  }

  @Test("takes nothing from an empty append")
  func appendsNothing() {
    var queue = ByteQueue()
    queue.append([])
    queue.append(UnsafeRawBufferPointer(start: nil, count: 0))
    queue.consume(0)
    #expect(queue.count == 0)
    #expect(queue.withBytes { $0.isEmpty })
  }

  private struct Failure: Error {}

  @Test("keeps what it has when filling it fails")
  func keepsItsBytesWhenFillingFails() {
    var queue = ByteQueue()
    queue.append([1, 2])
    #expect(throws: Failure.self) {
      try queue.append(minimumCapacity: 1_000) { (_) throws(Failure) in throw Failure() }
    }
    #expect(queue.withBytes { Array($0) } == [1, 2])
  }

  /// How much can be written without new memory.
  private func room(_ queue: inout ByteQueue) -> Int {
    var room = 0
    queue.append(minimumCapacity: 1) { buffer in
      room = buffer.count
      return 0
    }
    return room
  }

  @Test("gives the memory of a 5 MB message back when it has been consumed")
  func givesLargeMemoryBack() {
    var queue = ByteQueue()
    queue.append([UInt8](repeating: 1, count: 5_000_000))
    queue.consume(5_000_000)
    #expect(room(&queue) < 1_000)
  }

  @Test("gives the memory of a 5 MB message back when a few bytes behind it remain")
  func givesLargeMemoryBackWhileBytesRemain() {
    var queue = ByteQueue()
    queue.append([UInt8](repeating: 1, count: 5_000_000))
    queue.append([1, 2, 3])
    queue.consume(5_000_000)
    queue.append(minimumCapacity: 1) { room in
      room.initializeMemory(as: UInt8.self, repeating: 4)
      return room.count
    }
    queue.consume(queue.count - 2)
    queue.append([5])
    #expect(queue.withBytes { Array($0) } == [4, 4, 5])
    #expect(room(&queue) < 1_000)
  }

  @Test("starts with little memory and keeps it for reuse")
  func startsSmall() {
    var queue = ByteQueue()
    queue.append(0)
    #expect(room(&queue) < 512)
    let before = room(&queue)
    queue.consume(1)
    #expect(room(&queue) == before + 1)
  }
}
