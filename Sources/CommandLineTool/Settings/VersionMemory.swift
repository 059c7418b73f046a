internal import MQTT
internal import MQTTClient

/// What `-V auto` found out, for a day: a file for each broker that speaks no MQTT 5, in the cache folder. It spares the attempt
/// that such a broker refuses, and nothing depends on it: one that does not speak the version any more is tried with the other.
///
/// A broker that speaks MQTT 5, as most do, has no file.
enum VersionMemory {
  private static let lifetime: Int64 = 86_400

  /// Sets the versions that the client tries in turn, and has the memory told what it finds.
  static func choose(for client: inout ClientSettings) {
    client.fallbackVersions = [.v311]
    guard let folder = System.cacheFolder, let name = fileName(of: client.endpoint) else { return }
    let path = folder + Array("/versions/".utf8) + name
    let age = System.age(ofFile: path)
    let isRemembered = age.map { (0..<lifetime).contains($0) } == true
    if isRemembered {
      client.session.version = .v311
      client.fallbackVersions = [.latest]
    }
    client.reportVersion = { version in
      if version.hasProperties {
        if age != nil { System.removeFile(path) }
      } else if !isRemembered {
        // What counts is that the file is there, and since when; nobody can see half of that.
        System.leaveFile(path, contents: Array("\(version)\n".utf8))
      }
    }
  }

  /// A name for the broker's file; nil where it would be too long.
  private static func fileName(of endpoint: Endpoint) -> [UInt8]? {
    let name = endpoint.description.utf8.flatMap { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."),
        UInt8(ascii: "-"), UInt8(ascii: ":"), UInt8(ascii: "["), UInt8(ascii: "]"):
        [byte]
      default:
        [UInt8(ascii: "%"), Hex.digit(byte >> 4, uppercase: true), Hex.digit(byte & 0x0F, uppercase: true)]
      }
    }
    return name.count <= 255 ? name : nil
  }
}
