internal import CommandLineTool
internal import MQTT

/// Whom messages reach, as the subscriptions of all groups have it.
struct Routing: Sendable {
  /// Who gets a message.
  enum Recipient: Hashable, Sendable {
    /// The client with this number.
    case client(Int)
    /// One of those that share a subscription.
    case share(Int)
  }

  private var tree = SubscriptionTree<Recipient>()
  /// The clients that share a subscription.
  private(set) var shares: [[Int]] = []
  /// Deliveries of a message, on average over what is published.
  private(set) var deliveriesPerMessage = 0.0
  /// Whether some messages have several.
  private(set) var fansOut = false

  /// Stands for a run's word: runs differ in nothing else.
  static let run = "run"

  /// - Throws: when two filters of one client match the same topic, which brokers answer with one copy or two.
  init(_ groups: [LoadGroup]) throws(UsageError) {
    guard groups.contains(where: { $0.publishing != nil }) else { return }
    for group in groups { subscribe(group) }
    var (rates, deliveries) = (0.0, 0.0)
    for group in groups {
      guard let publishing = group.publishing else { continue }
      var (topics, recipients) = (0, 0)
      for member in 0..<(publishing.topics.isCommon ? 1 : group.count) {
        for (place, topic) in publishing.topics.topics(of: member, run: Self.run).enumerated() {
          let found = self.recipients(of: topic)
          if Set(found).count < found.count {
            throw UsageError(
              "several filters of one client match the topic '\(String(decoding: topic, as: UTF8.self))': some brokers "
                + "send such messages twice, so that duplicates could not be told")
          }
          let weight = publishing.cycle?.count(of: place) ?? 1
          topics += weight
          recipients += weight * found.count
          if found.count > 1 { fansOut = true }
        }
      }
      let rate = publishing.schedule.messagesPerSecond
      rates += rate
      deliveries += rate * Double(recipients) / Double(max(1, topics))
    }
    deliveriesPerMessage = rates > 0 ? deliveries / rates : 0
  }

  private mutating func subscribe(_ group: LoadGroup) {
    guard let subscribing = group.subscribing else { return }
    /// By filter.
    var places: [[UInt8]: Int] = [:]
    for member in 0..<group.count {
      for filter in subscribing.filters.filters(of: member, run: Self.run) {
        guard subscribing.isShared else {
          tree.insert(.client(group.first + member), under: filter)
          continue
        }
        if let place = places[filter] {
          shares[place].append(group.first + member)
        } else {
          places[filter] = shares.count
          tree.insert(.share(shares.count), under: filter)
          shares.append([group.first + member])
        }
      }
    }
  }

  /// Who gets a message of this topic; its name has `Routing.run` for the run's word.
  func recipients(of topic: [UInt8]) -> [Recipient] { tree.matches(topic) }
}

/// What was subscribed to, level by level, so that the filters that match a topic are found without looking at all.
struct SubscriptionTree<Element: Sendable>: Sendable {
  private struct Node: Sendable {
    var children: [ArraySlice<UInt8>: Int] = [:]
    /// Subscriptions whose filter ends here, and those that end with # here.
    var elements: [Element] = []
    var rest: [Element] = []
  }

  private var nodes = [Node()]

  mutating func insert(_ element: Element, under filter: [UInt8]) {
    var place = 0
    for level in filter.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false) {
      if level.elementsEqual("#".utf8) {
        nodes[place].rest.append(element)
        return
      }
      if let child = nodes[place].children[level] {
        place = child
      } else {
        nodes[place].children[level] = nodes.count
        place = nodes.count
        nodes.append(Node())
      }
    }
    nodes[place].elements.append(element)
  }

  /// The elements whose filters match a topic [MQTT-4.7.1].
  func matches(_ topic: [UInt8]) -> [Element] {
    var found: [Element] = []
    collect(topic.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)[...], 0, isFirst: true, &found)
    return found
  }

  private func collect(_ levels: ArraySlice<ArraySlice<UInt8>>, _ place: Int, isFirst: Bool, _ found: inout [Element]) {
    let node = nodes[place]
    // Wildcards at the beginning leave out topics of the server [MQTT-4.7.2-1].
    let takesWildcards = !(isFirst && levels.first?.first == UInt8(ascii: "$"))
    if takesWildcards { found += node.rest }
    guard let level = levels.first else {
      found += node.elements
      return
    }
    if let child = node.children[level] { collect(levels.dropFirst(), child, isFirst: false, &found) }
    if takesWildcards, let child = node.children[Self.plus] {
      collect(levels.dropFirst(), child, isFirst: false, &found)
    }
  }

  private static var plus: ArraySlice<UInt8> { [UInt8(ascii: "+")] }
}
