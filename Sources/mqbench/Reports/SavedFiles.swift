internal import CommandLineTool

/// The files that a report goes to, of a kind that their name's ending tells.
struct SavedFiles: Sendable {
  /// What a file holds.
  enum Kind: String, CaseIterable, Sendable {
    /// All of the report.
    case json
    /// The time series.
    case csv
    /// The headline's percentiles.
    case hgrm
    /// The page for people.
    case html
  }

  private(set) var files: [(path: [UInt8], kind: Kind)] = []

  mutating func append(_ path: Argument) throws(UsageError) {
    let ending = path.bytes[(path.bytes.lastIndex(of: UInt8(ascii: ".")).map { $0 + 1 } ?? path.bytes.endIndex)...]
    guard let kind = Kind.allCases.first(where: { ending.elementsEqual($0.rawValue.utf8) }) else {
      throw UsageError("\(path.quoted) does not end with .json, .csv, .hgrm or .html")
    }
    files.append((path.bytes, kind))
  }

  /// Finds out before a long run whether the files can be written.
  func check() throws(UsageError) {
    for file in files {
      do { try System.checkReplacing(file.path) } catch {
        throw UsageError("--save: \(Self.name(file.path)): \(error.explanation)", status: .output)
      }
    }
  }

  /// Writes all; what cannot be written is told. Returns the status that follows.
  func write(_ report: Report, goals: [GoalResult], _ diagnostics: Diagnostics) -> ExitStatus {
    var status = ExitStatus.ok
    for file in files {
      do {
        try System.replaceFile(file.path, contents: Self.contents(report, goals, file.kind))
      } catch {
        diagnostics.error("\(Self.name(file.path)): \(error.explanation)")
        status = .output
      }
    }
    return status
  }

  private static func contents(_ report: Report, _ goals: [GoalResult], _ kind: Kind) -> [UInt8] {
    switch kind {
    case .json:
      var buffer = OutputBuffer(descriptor: -1, limit: .max)
      JSONReport.json(report).append(to: &buffer)
      buffer.append(UInt8(ascii: "\n"))
      return buffer.withBytes { Array($0) }
    case .csv: return Array(CSVReport.text(report).utf8)
    case .hgrm: return Array(PercentileReport.text(report).utf8)
    case .html: return Array(HTMLReport.text(report, goals: goals).utf8)
    }
  }

  private static func name(_ path: [UInt8]) -> String { Argument(path, from: Source(.commandLine)).quoted }
}
