/// The options about a connection under a name: `~/.config/mqtools/profiles/NAME`, a file of options as for `-o`.
///
/// It decides where passwords go, so nobody but its owner may read or write it.
enum Profile {
  /// The options in the profile `name`.
  static func uses(
    of name: Argument, kind: SourceKind, in configurationFolder: [UInt8]?, table: OptionTable
  ) throws(UsageError) -> [OptionUse] {
    guard !name.bytes.isEmpty, !name.bytes.contains(0), !name.bytes.contains(UInt8(ascii: "/")),
      name.bytes.first != UInt8(ascii: ".")
    else { throw UsageError("\(name.quoted) is no name of a profile") }
    guard let configurationFolder else { throw UsageError("there are no profiles without HOME") }
    let folder = configurationFolder + Array("/mqtools/profiles".utf8)
    let path = folder + [UInt8(ascii: "/")] + name.bytes
    let place = String(decoding: path, as: UTF8.self)
    let file: (contents: [UInt8], isPrivate: Bool)
    do {
      file = try System.contentsAndPrivacy(of: path)
    } catch  where error.isNoSuchFile {
      throw missing(name, in: folder)
    } catch {
      throw UsageError("\(place): \(error.explanation)")
    }
    guard file.isPrivate else {
      throw UsageError("\(place) says where passwords go, and others can read or write it: chmod 600 \(place)")
    }
    let uses = try OptionsFile.uses(in: file.contents, path: place, kind: kind, table: table)
    let members = [ConnectionSettings.urlDescription.name] + ConnectionSettings.options.map(\.description.name)
    for use in uses {
      let option = table.options[use.option].name
      if option == "--id" {
        throw use.mistake(
          UsageError("two tools with one identifier throw each other out: a profile gives a prefix, -I"))
      }
      guard members.contains(option) else {
        throw use.mistake(UsageError("is not about the connection, and a profile is about nothing else"))
      }
    }
    return uses
  }

  private static func missing(_ name: Argument, in folder: [UInt8]) -> UsageError {
    var names: [String] = []
    let system = SpoolSystem()
    do throws(SystemError) {
      let folder = try system.openParent(FileName(folder))
      try system.forEachName(in: folder) { name, mayBeFile in
        if mayBeFile, name.first != UInt8(ascii: ".") { names.append(String(decoding: name, as: UTF8.self)) }
      }
    } catch {}  // A folder that cannot be read has none that could be used.
    let others = names.isEmpty ? "there are none" : "there are \(names.sorted().joined(separator: ", "))"
    return UsageError("no profile \(name.quoted) in \(String(decoding: folder, as: UTF8.self)); \(others)")
  }
}
