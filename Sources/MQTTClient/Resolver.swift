internal import CSystem

/// A host or a service on its way to addresses, in a thread of its own: the system's resolver can block for half a minute, and nobody can
/// interrupt it. The thread is not waited for; if nobody wants its answer any more, it ends when the resolver lets it.
struct Resolver: ~Copyable {
  /// What finds the addresses of a host: it runs in the thread.
  typealias LookUp = @Sendable (_ host: String, _ port: UInt16) -> Result<[SocketAddress], ConnectionError>

  /// Becomes readable when there is an answer.
  let descriptor: Int32
  private let question: Question

  /// What thread and asker share. A byte in the pipe hands `answer` over.
  private final class Question: @unchecked Sendable {
    let place: Endpoint
    let lookUp: LookUp
    let writeEnd: Int32
    var answer: Result<[[SocketAddress]], ConnectionError>?

    init(_ place: Endpoint, lookUp: @escaping LookUp, writeEnd: Int32) {
      self.place = place
      self.lookUp = lookUp
      self.writeEnd = writeEnd
    }
  }

  private init(_ descriptor: Int32, _ question: Question) {
    self.descriptor = descriptor
    self.question = question
  }

  deinit {
    close(descriptor)
  }

  /// Begins to look up `place`.
  static func start(_ place: Endpoint, lookUp: @escaping LookUp) throws(ConnectionError) -> Resolver {
    var ends: [Int32] = [-1, -1]
    guard makePipe(&ends) == 0 else { throw .system(call: "pipe", errno: currentErrno(), place: place.description) }
    let resolver = Resolver(ends[0], Question(place, lookUp: lookUp, writeEnd: ends[1]))
    let retained = Unmanaged.passRetained(resolver.question)
    let code = startQuietThread(
      { pointer in
        let question = Unmanaged<Question>.fromOpaque(pointer!).takeRetainedValue()
        question.answer =
          switch question.place {
          case .tcp(let host, let port): question.lookUp(host, port).map { [$0] }
          case .service: Resolver.addresses(ofService: question.place.description, lookUp: question.lookUp)
          case .unix: nil
          }
        // Where nobody reads any more this fails, without SIGPIPE: the thread takes no signals.
        _ = write(question.writeEnd, "!", 1)
        close(question.writeEnd)
        return nil
      }, retained.toOpaque())
    if code != 0 {
      retained.release()
      close(ends[1])
      throw .system(call: "pthread_create", errno: code, place: place.description)
    }
    return resolver
  }

  /// The addresses, in the resolver's order, those of each host by themselves. To be called when `descriptor` is readable.
  func addresses() throws(ConnectionError) -> [[SocketAddress]] {
    var byte: UInt8 = 0
    guard read(descriptor, &byte, 1) == 1 else { return [] }
    return try question.answer?.get() ?? []
  }

  /// The system's resolver.
  static let system: LookUp = { host, port in
    var list: UnsafeMutablePointer<addrinfo>?
    let code = lookUpStreamAddresses(host, String(port), &list)
    if code == EAI_SYSTEM { return .failure(.system(call: "getaddrinfo", errno: currentErrno(), place: host)) }
    if code != 0 {
      let reason = String(cString: gai_strerror(code))
      return .failure(.nameNotFound(host: host, reason: reason, isTemporary: code == EAI_AGAIN))
    }
    var addresses: [SocketAddress] = []
    var next = list
    while let entry = next {
      if let address = entry.pointee.ai_addr { addresses.append(SocketAddress(address, entry.pointee.ai_addrlen)) }
      next = entry.pointee.ai_next
    }
    freeaddrinfo(list)
    return .success(addresses)
  }
}
