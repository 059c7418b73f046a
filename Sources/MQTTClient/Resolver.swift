internal import CSystem

/// A host name on its way to addresses, in a thread of its own: the system's resolver can block for half a minute, and nobody can
/// interrupt it. The thread is not waited for; if nobody wants its answer any more, it ends when the resolver lets it.
struct Resolver: ~Copyable {
  /// Becomes readable when there is an answer.
  let descriptor: Int32
  private let answer: Answer

  /// What thread and asker share. The thread writes before it closes its end of the pipe, and the asker reads after that.
  private final class Answer: @unchecked Sendable {
    let host: String
    let port: UInt16
    let writeEnd: Int32
    var addresses: [SocketAddress] = []
    var failure: Int32 = 0

    init(host: String, port: UInt16, writeEnd: Int32) {
      self.host = host
      self.port = port
      self.writeEnd = writeEnd
    }
  }

  private init(_ descriptor: Int32, _ answer: Answer) {
    self.descriptor = descriptor
    self.answer = answer
  }

  deinit {
    close(descriptor)
  }

  /// Begins to look up `host`.
  static func start(host: String, port: UInt16) throws(ConnectionError) -> Resolver {
    var ends: [Int32] = [-1, -1]
    guard pipe(&ends) == 0 else { throw .system(call: "pipe", errno: currentErrno(), place: host) }
    _ = setCloseOnExec(ends[0])
    _ = setCloseOnExec(ends[1])
    let resolver = Resolver(ends[0], Answer(host: host, port: port, writeEnd: ends[1]))
    let retained = Unmanaged.passRetained(resolver.answer)
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
    var thread = pthread_t()
    let code = pthread_create(&thread, &attributes, lookUp, retained.toOpaque())
    pthread_attr_destroy(&attributes)
    if code != 0 {
      retained.release()
      close(ends[1])
      throw .system(call: "pthread_create", errno: code, place: host)
    }
    return resolver
  }

  /// The addresses, in the system's order. To be called when `descriptor` is readable.
  func addresses() throws(ConnectionError) -> [SocketAddress] {
    if answer.failure != 0 {
      let isTemporary = answer.failure == EAI_AGAIN
      throw .nameNotFound(
        host: answer.host, reason: String(cString: gai_strerror(answer.failure)), isTemporary: isTemporary)
    }
    return answer.addresses
  }

  private static let lookUp: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { pointer in
    let answer = Unmanaged<Answer>.fromOpaque(pointer!).takeRetainedValue()
    var hints = addrinfo()
    #if os(Linux)
      hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    #else
      hints.ai_socktype = SOCK_STREAM
    #endif
    var list: UnsafeMutablePointer<addrinfo>?
    answer.failure = getaddrinfo(answer.host, String(answer.port), &hints, &list)
    var next = list
    while let entry = next {
      if let address = entry.pointee.ai_addr { answer.addresses.append(SocketAddress(address, entry.pointee.ai_addrlen)) }
      next = entry.pointee.ai_next
    }
    if let list { freeaddrinfo(list) }
    close(answer.writeEnd)
    return nil
  }
}
