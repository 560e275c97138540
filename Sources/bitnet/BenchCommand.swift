import ArgumentParser
import BitNetBench
import BitNetKit
import Foundation

struct BenchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Measure speed next to what this machine could do at best.",
        subcommands: [
            BenchMatmulCommand.self, BenchModelCommand.self, BenchCompareCommand.self,
            BenchHeadCommand.self, BenchSparsityCommand.self,
        ])
}

/// Numbers separated by commas: "1,2".
struct NumberList: ExpressibleByArgument {
    let numbers: [Int]

    init(_ numbers: [Int]) { self.numbers = numbers }

    init?(argument: String) {
        let parts = argument.split(separator: ",", omittingEmptySubsequences: false)
        numbers = parts.compactMap { Int($0.trimmingCharacters(in: .whitespaces)) }
        if numbers.count != parts.count || numbers.contains(where: { $0 < 0 }) { return nil }
    }

    var defaultValueDescription: String { numbers.map(String.init).joined(separator: ",") }

    /// Refuses numbers of threads that nothing computes with.
    func checkThreads() throws {
        for number in numbers { try bitnet.checkThreads(number) }
    }
}

/// Shares in 0...1 separated by commas: "0,0.5,0.9".
struct ShareList: ExpressibleByArgument {
    let shares: [Double]

    init?(argument: String) {
        let parts = argument.split(separator: ",", omittingEmptySubsequences: false)
        shares = parts.compactMap { Double($0.trimmingCharacters(in: .whitespaces)) }
        guard shares.count == parts.count, shares.allSatisfy((0...1).contains) else { return nil }
    }
}

/// A number with one digit behind the point.
func tenths(_ value: Double) -> String { String(format: "%.1f", value) }

/// A number with two digits behind the point.
func hundredths(_ value: Double) -> String { String(format: "%.2f", value) }

/// Times of an unoptimised build mislead; say so where nobody overlooks it.
func warnAboutDebugBuild() {
    guard !MachineReport.isOptimized else { return }
    Terminal.report("*** DEBUG BUILD: THESE TIMES MEAN NOTHING. Use swift build -c release. ***")
}
