import Foundation

/// Lets processes run for a tenth of the time, in slices of 100 ms, until the body ends.
func throttled<Result>(_ processes: [Int32], _ body: () throws -> Result) rethrows -> Result {
  let isOver = Flag()
  let thread = Thread {
    while !isOver.isSet {
      for process in processes { kill(process, SIGSTOP) }
      usleep(90_000)
      for process in processes { kill(process, SIGCONT) }
      usleep(10_000)
    }
    isOver.isDone = true
  }
  thread.start()
  defer {
    isOver.isSet = true
    while !isOver.isDone { usleep(10_000) }
  }
  return try body()
}

private final class Flag: @unchecked Sendable {
  var isSet = false
  var isDone = false
}
