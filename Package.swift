// swift-tools-version: 6.2

import PackageDescription

/// Our own targets build without a warning, in every configuration.
let swiftSettings: [SwiftSetting] = [
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

let package = Package(
    name: "BitNetKit",
    platforms: [.macOS(.v15), .iOS(.v18), .tvOS(.v18), .visionOS(.v2)],
    products: [
        .library(name: "BitNetKit", targets: ["BitNetKit"]),
        .library(name: "BitNetBench", targets: ["BitNetBench"]),
        .library(name: "BitNetTraining", targets: ["BitNetTraining"]),
        .library(name: "CTernaryKernels", targets: ["CTernaryKernels"]),
        .library(name: "BitNetSampleModel", targets: ["BitNetSampleModel"]),
        .executable(name: "bitnet", targets: ["bitnet"]),
    ],
    traits: [
        .trait(
            name: "CommandLine",
            description: "The program bitnet, which needs swift-argument-parser."),
        .default(enabledTraits: ["CommandLine"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0")
    ],
    targets: [
        .target(
            name: "CTernaryKernels",
            cSettings: [
                .headerSearchPath("."),
                .treatAllWarnings(as: .error),
                // Kernels at -O0 would make `swift test` and debug runs crawl.
                .unsafeFlags(["-O3"], .when(configuration: .debug)),
            ]),
        .target(
            name: "TernaryCompute",
            dependencies: ["CTernaryKernels"],
            swiftSettings: swiftSettings),
        .target(
            name: "BitNetFiles",
            dependencies: ["TernaryCompute"],
            swiftSettings: swiftSettings),
        .target(
            name: "BitNetTokenizers",
            dependencies: ["BitNetFiles"],
            swiftSettings: swiftSettings),
        .target(
            name: "BitNetKit",
            dependencies: ["TernaryCompute", "BitNetFiles", "BitNetTokenizers"],
            swiftSettings: swiftSettings),
        .target(name: "BitNetPlots", swiftSettings: swiftSettings),
        .target(name: "BitNetTerminal", swiftSettings: swiftSettings),
        .target(
            name: "BitNetBench",
            dependencies: ["BitNetKit", "BitNetPlots", "CTernaryKernels"],
            swiftSettings: swiftSettings),
        .target(
            name: "BitNetTraining",
            dependencies: ["BitNetKit", "BitNetPlots"],
            swiftSettings: swiftSettings),
        .target(
            name: "BitNetSampleModel",
            dependencies: ["BitNetKit"],
            resources: [.copy("Resources/stories.gguf"), .copy("Resources/MODEL.md")],
            swiftSettings: swiftSettings),
        .executableTarget(
            name: "bitnet",
            dependencies: [
                "BitNetKit", "BitNetBench", "BitNetPlots", "BitNetSampleModel", "BitNetTerminal",
                "BitNetTraining",
                .product(
                    name: "ArgumentParser", package: "swift-argument-parser",
                    condition: .when(traits: ["CommandLine"])),
            ],
            swiftSettings: swiftSettings),
        .target(
            name: "TestSupport",
            dependencies: ["BitNetKit"],
            path: "Tests/TestSupport",
            swiftSettings: swiftSettings),
        .testTarget(
            name: "CTernaryKernelsTests",
            dependencies: ["CTernaryKernels", "TestSupport"],
            swiftSettings: swiftSettings),
        .testTarget(
            name: "BitNetKitTests",
            dependencies: [
                "BitNetKit", "BitNetBench", "BitNetPlots", "BitNetSampleModel", "BitNetTerminal",
                "TestSupport",
            ],
            resources: [.copy("Fixtures")],
            swiftSettings: swiftSettings),
        .testTarget(
            name: "BitNetTrainingTests",
            dependencies: ["BitNetTraining", "BitNetKit", "BitNetPlots", "TestSupport"],
            resources: [.copy("Data/Fixtures")],
            swiftSettings: swiftSettings),
    ],
    swiftLanguageModes: [.v6],
    cLanguageStandard: .c17
)
