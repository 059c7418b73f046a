/// The version of the tools.
public enum Version {
  /// As `--version` prints it.
  public static let number = "0.1.0"
  /// The day of the release, for the manual pages.
  public static let date = "2026-11-22"
}
