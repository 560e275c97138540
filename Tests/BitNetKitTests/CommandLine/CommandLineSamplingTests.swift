import BitNetSampleModel
import Foundation
import Testing

/// `bitnet generate` for programs: steering, log probabilities, drafts, zeros.
@Suite("Command line sampling", .enabled(if: bitnetExecutable != nil))
struct CommandLineSamplingTests {
    private struct Report: Decodable {
        struct LogProbabilities: Decodable {
            struct Candidate: Decodable {
                let token: Int
                let logProbability: Double
            }

            let chosen: Double
            let top: [Candidate]
        }

        struct Sparsity: Decodable {
            struct Layer: Decodable {
                let silentShare: Double
                let gateZeroShare: Double
                let downZeroShare: Double
                let upSkippedShare: Double
                let downSkippedShare: Double
                let bytesRead: Int
                let bytesDense: Int
            }

            let tokens: Int
            let gateZeroShare: Double
            let downZeroShare: Double
            let upSkippedShare: Double
            let downSkippedShare: Double
            let bytesRead: Int
            let bytesDense: Int
            let layers: [Layer]
        }

        let tokens: [Int]
        let decodePasses: Int
        let draftedTokens: Int
        let acceptedDraftTokens: Int
        let sparsity: Sparsity?
        let logProbabilities: [LogProbabilities]?
    }

    private static func report(_ arguments: String...) throws -> Report {
        let run = try CommandLineTests.bitnet(["generate"] + arguments + ["--json"])
        #expect(run.code == 0, "\(run.error)")
        return try JSONDecoder().decode(Report.self, from: Data(run.output.utf8))
    }

    @Test(
        "options out of range or out of place are wrong usage, named as on the command line",
        arguments: [
            ["--presence-penalty", "nan"], ["--frequency-penalty", "inf"],
            ["--logit-bias", "5"], ["--logit-bias", "a=1"], ["--logit-bias", "5=x"],
            ["--logit-bias", "5=nan"], ["--logit-bias", "5=inf"],
            ["--logprobs", "3"], ["--logprobs=-1", "--json"], ["--logprobs", "1025", "--json"],
            ["--draft", "4"], ["--draft", "0", "--speculate"], ["--draft", "65", "--speculate"],
        ])
    func usage(arguments: [String]) throws {
        let run = try CommandLineTests.bitnet(["generate", "A cat"] + arguments)
        #expect(run.code == 64)
        #expect(run.output == "")
        let option = try #require(arguments[0].split(separator: "=").first)
        #expect(run.errorLines.first?.contains(option) == true, "\(run.error)")
    }

    @Test("a bias on a token that the model does not have is one line and exit code 1")
    func unknownToken() throws {
        let run = try CommandLineTests.bitnet(["generate", "A cat", "--logit-bias", "2048=1"])
        #expect(run.code == 1)
        #expect(run.output == "")
        #expect(run.errorLines.count == 1 && run.error.contains("token 2048"))
    }

    @Test("log probabilities come with every token, the likeliest first")
    func logProbabilities() throws {
        let common = ["A cat", "--temperature", "0", "--max-tokens", "6"]
        let plain = try Self.report(common[0], common[1], common[2], common[3], common[4])
        #expect(plain.logProbabilities == nil)
        let found = try Self.report(
            common[0], common[1], common[2], common[3], common[4], "--logprobs", "3")
        #expect(found.tokens == plain.tokens)
        let list = try #require(found.logProbabilities)
        #expect(list.count == found.tokens.count)
        for (token, found) in zip(found.tokens, list) {
            // Greedy: the likeliest is the chosen one.
            #expect(found.top.count == 3 && found.top[0].token == token)
            #expect(found.chosen == found.top[0].logProbability && found.chosen <= 0)
            #expect(found.top[1].logProbability >= found.top[2].logProbability)
        }
        let banned = try Self.report(
            common[0], common[1], common[2], common[3], common[4], "--logit-bias",
            "\(plain.tokens[0])=-inf")
        #expect(!banned.tokens.contains(plain.tokens[0]))
    }

    @Test("drafts give the same tokens in fewer passes, and are counted")
    func speculate() throws {
        let prompt = String(repeating: "The cat sat on the mat. ", count: 6)
        let plain = try Self.report(prompt, "--temperature", "0", "--max-tokens", "40")
        #expect(plain.draftedTokens == 0 && plain.acceptedDraftTokens == 0)
        let drafted = try Self.report(
            prompt, "--temperature", "0", "--max-tokens", "40", "--speculate", "--draft", "4")
        #expect(drafted.tokens == plain.tokens)
        #expect(drafted.draftedTokens > 0)
        #expect(drafted.decodePasses + drafted.acceptedDraftTokens == plain.decodePasses)
    }

    @Test("zeros and what is left out are told in JSON, and as a table when asked")
    func zeros() throws {
        let plain = try Self.report("A cat", "--max-tokens", "5", "--seed", "1")
        #expect(plain.sparsity == nil)
        let found = try Self.report("A cat", "--max-tokens", "5", "--seed", "1", "--statistics")
        #expect(found.tokens == plain.tokens)
        let sparsity = try #require(found.sparsity)
        #expect(sparsity.layers.count == 6)
        for layer in sparsity.layers {
            #expect(layer.gateZeroShare > 0.3 && layer.gateZeroShare < 1)
            #expect(layer.downZeroShare > 0.3 && layer.downZeroShare < 1)
            #expect(layer.upSkippedShare <= layer.gateZeroShare)
            // Silent neurons are zeros that nothing has to leave out any more.
            let left = layer.downZeroShare - layer.downSkippedShare
            #expect(layer.downSkippedShare == 0 || left >= 0 && left < layer.silentShare + 1e-9)
        }
        #expect(sparsity.upSkippedShare > 0.3 && sparsity.bytesRead < sparsity.bytesDense)
        let arguments = ["generate", "A cat", "--max-tokens", "5", "--seed", "1"]
        let table = try CommandLineTests.bitnet(arguments + ["--statistics"])
        #expect(table.code == 0)
        #expect(table.errorLines.count == 2 + 10)
        #expect(table.errorLines.last?.hasPrefix("silent neurons, not loaded: ") == true)
        #expect(table.error.contains("rows of up    columns of down       MB of weights"))
        func line(_ name: String, _ shares: [Double], _ bytes: [Int]) -> [String] {
            [name] + shares.map { String(format: "%.1f%%", $0 * 100) }
                + bytes.map { String(format: "%.1f", Double($0) / 1e6) }
        }
        let words = table.errorLines.dropLast().map { $0.split(separator: " ").map(String.init) }
        #expect(
            words.last
                == line(
                    "all",
                    [
                        sparsity.gateZeroShare, sparsity.upSkippedShare, sparsity.downZeroShare,
                        sparsity.downSkippedShare,
                    ], [sparsity.bytesRead, sparsity.bytesDense]))
        let last = sparsity.layers[5]
        #expect(
            words.dropLast().last
                == line(
                    "5",
                    [
                        last.gateZeroShare, last.upSkippedShare, last.downZeroShare,
                        last.downSkippedShare,
                    ], [last.bytesRead, last.bytesDense]))
        let dense = try Self.report(
            "A cat", "--max-tokens", "5", "--seed", "1", "--sparsity", "off", "--statistics")
        #expect(dense.sparsity?.upSkippedShare == 0 && dense.sparsity?.downSkippedShare == 0)
        #expect(dense.sparsity?.gateZeroShare == sparsity.gateZeroShare)
        #expect(dense.sparsity?.bytesRead == dense.sparsity?.bytesDense)
        #expect(try CommandLineTests.bitnet(arguments).errorLines.count == 2)
        let nothing = try Self.report("A cat", "--max-tokens", "1", "--seed", "1", "--statistics")
        #expect(nothing.sparsity == nil)
    }

    @Test("the model benchmark tells zeros for each test, and by layer in JSON")
    func benchmark() throws {
        struct Bench: Decodable {
            struct Row: Decodable {
                let test: String
                let sparsity: Report.Sparsity
            }

            let rows: [Row]
        }
        let arguments = [
            "bench", "model", "-p", "8", "-n", "4", "--depth", "0,3", "--repetitions", "2",
            "--threads", "1",
        ]
        let json = try CommandLineTests.bitnet(arguments + ["--json"])
        #expect(json.code == 0)
        let bench = try JSONDecoder().decode(Bench.self, from: Data(json.output.utf8))
        #expect(bench.rows.map(\.test) == ["pp8", "tg4", "tg4@3"])
        #expect(bench.rows.map(\.sparsity.tokens) == [8, 4, 4])
        for row in bench.rows {
            #expect(row.sparsity.layers.count == 6)
            #expect(row.sparsity.downZeroShare > 0.3 && row.sparsity.downZeroShare < 1)
        }
        let table = try CommandLineTests.bitnet(arguments)
        #expect(table.output.contains("gate=0 down=0"))
        #expect(table.output.split(separator: "\n").allSatisfy { $0.count <= 80 })
        #expect(
            table.output.contains(#/left out: [0-9]+% of up's rows, [0-9]+% of down's columns/#))
        let shares = bench.rows[1].sparsity
        #expect(
            table.output.contains(
                String(
                    format: " %5.1f%% %5.1f%%", shares.gateZeroShare * 100,
                    shares.downZeroShare * 100)))
    }
}
