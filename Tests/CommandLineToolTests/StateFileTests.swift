import TestSupport
import Testing

@testable import CommandLineTool

@Suite struct StateFileTests {
  private let folder: TestSupport.TemporaryFolder
  private var path: [UInt8] { bytes(folder.path("state")) }

  init() throws { folder = try TestSupport.TemporaryFolder() }

  private func state(_ number: Int) -> StateFile.State {
    let entries = (0...(number % 3)).map { index in
      StateFile.Entry(
        packetIdentifier: UInt16(number + index), place: index == 1 ? nil : UInt64(number)..<UInt64(number + 7))
    }
    return StateFile.State(output: .init(device: 1, inode: UInt64(number)), entries: entries)
  }

  /// What the file says.
  private func found() throws -> StateFile.State {
    let file = try StateFile.open(path, owner: "one")
    return file.state
  }

  @Test("what was saved last holds, and the file does not grow for ever")
  func save() throws {
    do {
      var file = try StateFile.open(path, owner: "one", sizeLimit: 2000)
      let first = file.state
      #expect(first == StateFile.State())
      for number in 1...500 {
        try file.save(state(number))
        #expect(try folder.read("state").count <= 2000)
      }
    }
    #expect(try found() == state(500))
  }

  @Test("a file that was cut off anywhere, or damaged, has the last state that is whole")
  func cutOff() throws {
    do {
      var file = try StateFile.open(path, owner: "one")
      for number in 1...4 { try file.save(state(number)) }
    }
    let whole = try folder.read("state")
    let possible = [StateFile.State()] + (1...4).map(state)
    var states: Set<StateFile.State> = []
    for count in 0..<whole.count {
      _ = try folder.write("state", whole[..<count])
      let state = try found()
      #expect(possible.contains(state), "\(count)")
      states.insert(state)
    }
    #expect(states.count == 4)
    for index in 19..<whole.count {
      var damaged = whole
      damaged[index] ^= 0x40
      _ = try folder.write("state", damaged)
      #expect(possible.contains(try found()), "\(index)")
    }
  }

  @Test("what follows a record that is not whole is cut off, so that what is saved next counts")
  func goesOn() throws {
    do {
      var file = try StateFile.open(path, owner: "one")
      try file.save(state(1))
    }
    _ = try folder.write("state", try folder.read("state") + [0, 0, 0, 9])
    do {
      var file = try StateFile.open(path, owner: "one")
      try file.save(state(2))
    }
    #expect(try found() == state(2))
  }
}
