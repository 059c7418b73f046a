import CommandLineTool
import Foundation
import Testing

/// A test's thread has its signals blocked; a tool's main thread has not.
private func unblockSignals() {
  var all = sigset_t()
  sigfillset(&all)
  pthread_sigmask(SIG_UNBLOCK, &all, nil)
}

@Suite(.serialized) struct SignalsTests {
  @Test("a caught signal only makes the descriptor readable", arguments: Signal.allCases)
  func caught(signal: Signal) async {
    await #expect(processExitsWith: .exitCode(0)) { [number = signal.number as Int32] in
      unblockSignals()
      let signals = try Signals(catching: Signal.allCases)
      var entry = pollfd(fd: signals.descriptor, events: Int16(POLLIN), revents: 0)
      #expect(poll(&entry, 1, 0) == 0)
      raise(number)
      #expect(poll(&entry, 1, 0) == 1)
      #expect(signals.next()?.number == number)
      #expect(signals.next() == nil)
      #expect(poll(&entry, 1, 0) == 0)
    }
  }

  @Test("the handler leaves errno alone, even when the pipe is full")
  func errorNumber() async {
    await #expect(processExitsWith: .exitCode(0)) {
      unblockSignals()
      let signals = try Signals()
      for _ in 0..<70_000 { raise(SIGINT) }
      errno = ENOENT
      raise(SIGINT)
      #expect(errno == ENOENT)
      #expect(signals.next() == .interrupt)
    }
  }

  @Test("signals come in their order")
  func order() async {
    await #expect(processExitsWith: .exitCode(0)) {
      unblockSignals()
      let signals = try Signals()
      raise(SIGTERM)
      raise(SIGINT)
      raise(SIGINT)
      #expect(signals.next() == .terminate)
      #expect(signals.next() == .interrupt)
      #expect(signals.next() == .interrupt)
      #expect(signals.next() == nil)
    }
  }

  @Test("a hang-up that nohup ignores stays ignored")
  func nohup() async {
    await #expect(processExitsWith: .exitCode(0)) {
      signal(SIGHUP, SIG_IGN)
      unblockSignals()
      let signals = try Signals()
      raise(SIGHUP)
      #expect(signals.next() == nil)
    }
  }

  @Test("without catching, a signal ends the process as ever")
  func released() async {
    await #expect(processExitsWith: .signal(SIGTERM)) {
      unblockSignals()
      do { _ = try Signals() }
      raise(SIGTERM)
    }
  }

  @Test("a tool can die of the signal that it caught")
  func dying() async {
    await #expect(processExitsWith: .signal(SIGINT)) {
      unblockSignals()
      let signals = try Signals()
      raise(SIGINT)
      if let signal = signals.next() { Signals.die(of: signal) }
    }
  }

  @Test("a closed pipe is an error of write, not the end")
  func brokenPipe() async {
    await #expect(processExitsWith: .exitCode(0)) {
      Signals.ignoreBrokenPipes()
      var ends: [Int32] = [-1, -1]
      try #require(pipe(&ends) == 0)
      close(ends[0])
      #expect(write(ends[1], "a", 1) == -1)
      #expect(errno == EPIPE)
    }
  }
}
