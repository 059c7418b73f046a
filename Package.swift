// swift-tools-version: 6.2
import PackageDescription

// Warnings are errors, but not with a compiler that knows more of them than the ones we have tried, and not where another
// version of OpenSSL calls a function deprecated: neither may stop somebody from installing the tools.
#if compiler(<6.4)
  let warnings: [SwiftSetting] = [.treatAllWarnings(as: .error), .treatWarning("DeprecatedDeclaration", as: .warning)]
#else
  let warnings: [SwiftSetting] = []
#endif

/// Language rules of every target.
let strict: [SwiftSetting] =
  warnings + [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
  ]

// Only Homebrew keeps OpenSSL where the compiler does not look. On Linux pkg-config would put the system's library folder
// before the one that Scripts/build chooses.
#if os(macOS)
  let openSSL = "openssl"
#else
  let openSSL: String? = nil
#endif

/// One of the command-line tools. They are linked by `Scripts/build`, which says how and why.
func tool(
  _ name: String, _ dependencies: [Target.Dependency] = [], swiftSettings: [SwiftSetting] = [],
  linkerSettings: [LinkerSetting] = []
) -> Target {
  .executableTarget(
    name: name, dependencies: ["CommandLineTool", "MQTTClient", "MQTT"] + dependencies,
    swiftSettings: strict + swiftSettings, linkerSettings: linkerSettings)
}

func tests(_ name: String, of dependencies: [Target.Dependency]) -> Target {
  .testTarget(name: name, dependencies: dependencies + ["TestSupport"], swiftSettings: strict)
}

let package = Package(
  name: "mqtools",
  platforms: [.macOS(.v15)],
  dependencies: [.package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0")],
  targets: [
    .systemLibrary(name: "COpenSSL", pkgConfig: openSSL, providers: [.apt(["libssl-dev"]), .brew(["openssl@3"])]),
    .systemLibrary(name: "CReadline", providers: [.apt(["libreadline-dev"]), .brew(["readline"])]),
    .systemLibrary(name: "CSystem"),

    .target(name: "MQTT", swiftSettings: strict),
    .target(name: "MQTTClient", dependencies: ["MQTT", "COpenSSL", "CSystem"], swiftSettings: strict),
    .target(name: "CommandLineTool", dependencies: ["MQTTClient", "MQTT", "CSystem"], swiftSettings: strict),

    tool("mqpub"),
    tool("mqsub"),
    tool("mqrr"),
    // An archive of readline, which Scripts/build chooses, does not say that it wants terminfo.
    tool("mqshell", ["CReadline"], linkerSettings: [.linkedLibrary("tinfo", .when(platforms: [.linux]))]),
    // Its worker is one object that counts several times for each message: to check each access at run time took an eighth of
    // the time.
    tool(
      "mqbench", [.product(name: "Histogram", package: "hdrhistogram-swift")],
      swiftSettings: [.unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release))]),

    // Optimized also in debug builds: its counting peer has to keep up with the tools under test.
    .target(
      name: "TestSupport", dependencies: ["COpenSSL"], path: "Tests/TestSupport",
      swiftSettings: strict + [.unsafeFlags(["-O"])]),
    tests("TestSupportTests", of: []),
    tests("MQTTTests", of: ["MQTT"]),
    tests("MQTTClientTests", of: ["MQTTClient", "MQTT", "COpenSSL"]),
    tests("CommandLineToolTests", of: ["CommandLineTool", "MQTTClient", "MQTT"]),
    tests("BenchTests", of: ["mqbench", "CommandLineTool", "MQTTClient", "MQTT"]),
    tests("ShellTests", of: ["mqshell", "CommandLineTool", "MQTT"]),
    tests("ToolTests", of: ["mqpub", "mqsub", "mqrr", "mqshell", "mqbench", "MQTT"]),
  ]
)
