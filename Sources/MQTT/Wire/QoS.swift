/// How surely an application message is delivered (4.3).
public enum QoS: UInt8, CaseIterable, Comparable, Sendable {
  /// QoS 0
  case atMostOnce
  /// QoS 1
  case atLeastOnce
  /// QoS 2
  case exactlyOnce

  /// 0 < 1 < 2.
  public static func < (a: QoS, b: QoS) -> Bool { a.rawValue < b.rawValue }
}
