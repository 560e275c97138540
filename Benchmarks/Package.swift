// swift-tools-version: 6.2

import PackageDescription

// A package of its own, so that nobody who depends on BitNetKit resolves a benchmark harness.

let package = Package(
    name: "Benchmarks",
    platforms: [.macOS(.v15)],
    dependencies: [
        .package(name: "BitNetKit", path: "..", traits: []),
        .package(url: "https://github.com/ordo-one/benchmark", from: "1.38.0", traits: []),
    ],
    targets: [
        .executableTarget(
            name: "Kernels",
            dependencies: [
                .product(name: "Benchmark", package: "benchmark"),
                .product(name: "BitNetBench", package: "BitNetKit"),
                .product(name: "CTernaryKernels", package: "BitNetKit"),
            ],
            path: "Benchmarks/Kernels",
            plugins: [.plugin(name: "BenchmarkPlugin", package: "benchmark")]),
        .executableTarget(
            name: "Sample",
            dependencies: [
                .product(name: "Benchmark", package: "benchmark"),
                .product(name: "BitNetKit", package: "BitNetKit"),
                .product(name: "BitNetSampleModel", package: "BitNetKit"),
            ],
            path: "Benchmarks/Sample",
            plugins: [.plugin(name: "BenchmarkPlugin", package: "benchmark")]),
    ],
    swiftLanguageModes: [.v6]
)
