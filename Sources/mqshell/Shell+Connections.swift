internal import CommandLineTool
internal import MQTT
internal import MQTTClient

/// The connections of the shell, and what happens on them.
extension Shell {
  /// The connection that a command is for.
  func connection(_ call: Call) throws(ShellError) -> ShellConnection {
    guard let name = call.connectionName.map({ text($0) }) ?? currentName else {
      throw .usage("not connected; try: open localhost")
    }
    return try connection(named: name)
  }

  func connection(named name: String) throws(ShellError) -> ShellConnection {
    guard let connection = connections.first(where: { $0.name.utf8.elementsEqual(name.utf8) }) else {
      throw .usage("there is no connection \(name); 'conns' lists those there are")
    }
    return connection
  }

  /// The same, where it has to be up.
  func connected(_ call: Call) throws(ShellError) -> ShellConnection {
    let connection = try connection(call)
    try checkConnected(connection)
    return connection
  }

  func checkConnected(_ connection: ShellConnection) throws(ShellError) {
    if connection.isConnected { return }
    let name = connection.name.isEmpty ? "the connection" : connection.name
    guard let error = connection.failure else {
      throw ShellError(.connectionLost, "\(name) is closed; 'open' it again")
    }
    throw ShellError(ExitStatus(error), connection.name.isEmpty ? "\(error)" : "\(name) is not connected: \(error)")
  }

  /// Begins to connect; commands wait for what comes of it.
  func add(_ connection: ShellConnection) {
    let name = connection.name.isEmpty ? "" : "\(connection.name): "
    let isLogged = diagnostics.level >= .debug && !isInteractive
    connection.isTraced = diagnostics.level >= .debug && !connection.name.isEmpty
    connection.observe(isDetailed: diagnostics.level != .debug) { [screen, diagnostics] line in
      if isLogged { diagnostics.debug(name + line) } else { screen.line(name + line, .faint) }
    }
    links.append(connection)
    driver.add(connection.client)
    if !connection.name.isEmpty { connections.append(connection) }
  }

  /// Nobody asks for it by its name any more.
  func remove(_ connection: ShellConnection) {
    connections.removeAll { $0 === connection }
    jobs.removeAll { $0.connection === connection }
    if currentName == connection.name { currentName = connections.last?.name }
  }

  /// Takes leave of a connection, or drops it, and waits for that.
  func close(_ connection: ShellConnection, drops: Bool = false) {
    if drops {
      connection.client.drop()
    } else {
      connection.client.disconnect(properties: connection.plan.disconnectProperties, at: .now)
    }
    _ = try? wait(until: .now + Self.leavePatience) { connection.isOver }
  }

  /// A connection to the same broker that a command makes for itself: under another identifier, without a will, and not made again.
  func openAside(
    _ plan: ConnectionPlan, _ change: (inout ConnectionPlan) -> Void = { _ in }
  ) throws(ShellError) -> ShellConnection {
    var plan = plan
    plan.connect.clientIdentifier = ConnectionSettings.randomIdentifier(.mqshell)
    plan.connect.cleanStart = true
    plan.connect.will = nil
    plan.connect.properties[.sessionExpiryInterval] = nil
    plan.reconnects = false
    plan.retryLimit = .times(0)
    change(&plan)
    let connection = ShellConnection(name: "", plan: plan, retryLimit: .retries(0))
    add(connection)
    do {
      try waitForConnection(connection)
    } catch {
      connection.client.drop()
      throw error
    }
    return connection
  }

  /// Waits until the broker has accepted, or it is known that it will not.
  func waitForConnection(_ connection: ShellConnection) throws(ShellError) {
    _ = try wait(until: nil) { connection.isConnected || connection.isOver }
    if connection.isConnected { return }
    guard let error = connection.failure else { throw .cancelled }
    throw ShellError(error)
  }

  func handle(_ event: Client.Event, of connection: ShellConnection) {
    let wasConnected = connection.isConnected
    let messageCount = connection.store.end
    connection.handle(event)
    guard connections.contains(where: { $0 === connection }) else { return }
    if connection.store.end > messageCount { arrived(on: connection) }
    switch event {
    case .session(.connected(let packet, let republished)):
      guard connection.connectionCount > 1 else { break }
      let session = packet.sessionPresent ? ", session present" : ""
      note("\(connection.name): connected again\(session)", .warning)
      if republished > 0 { note("\(connection.name): \(republished) publishes sent again", .warning) }
    case .session(.dropped(let error)):
      note("\(connection.name): a publish was dropped: \(error.explanation)", .warning)
    case .session(.tolerated(let tolerance)): note("\(connection.name): \(tolerance)", .warning)
    case .outage(let error, _):
      if let rival = connection.rival(error) {
        note("\(connection.name): \(rival)", .warning)
      } else if wasConnected {
        note("\(connection.name): \(error); trying again", .warning)
      }
    case .failed(let error) where connection.connectionCount > 0:
      note("\(connection.name): \(connection.rival(error) ?? "\(error)")", .warning)
    default: break
    }
  }

  func arrived(on connection: ShellConnection) {
    guard let message = connection.store.messages.last else { return }
    lastMessage = message
    let topic = message.topic
    topics.insert(topic)
    if hiddenTopics.contains(topic) { return }
    if preferences.isMuted {
      screen.left()
    } else {
      screen.arrived(message, on: shownName(of: connection))
    }
    for job in jobs where job.connection === connection { answer(message, for: job) }
  }

  /// The name that is shown with a message, where there could be doubt.
  func shownName(of connection: ShellConnection) -> String? { connections.count > 1 ? connection.name : nil }
}
