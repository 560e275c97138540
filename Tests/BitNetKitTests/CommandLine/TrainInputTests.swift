import Foundation
import TestSupport
import Testing

@Suite(
    "Command line: what train reads and writes",
    .enabled(if: bitnetExecutable != nil && FileManager.default.fileExists(atPath: "/bin/bash")))
struct TrainInputTests {
    private let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
        for name in ["-t.txt", "u.txt", "-h.txt", "--v.txt"] {
            let documents = (0..<40).map { "The cat of \(name) has \($0) red balls." }
            try folder.write(name, documents.joined(separator: "\n<|endoftext|>\n"))
        }
        try folder.write(
            "c.json",
            """
            {"shape":{"hiddenSize":64,"feedForwardSize":64,"layerCount":1,"headCount":2,\
            "keyValueHeadCount":1,"vocabularySize":300,"contextLength":16,"normEpsilon":1e-5,\
            "ropeBase":10000},"length":{"steps":1},"windowsPerStep":1,"schedule":\
            {"warmupSteps":1,"peakRate":0.001,"firstStageEnd":0.001,"secondStageStart":0.001,\
            "secondStage":0.5,"weightDecay":0.1,"secondStageDecay":0},"beta1":0.9,"beta2":0.95,\
            "epsilon":1e-8,"clipNorm":1,"seed":1}
            """)
    }

    private func train(_ arguments: String, before: String = "") throws -> CommandLineTests.Run {
        try shell("cd \"$1\" && \(before) \"$0\" train \(arguments)", folder.path)
    }

    /// Bytes of text in the folder that a training has filled.
    private func tokens(_ out: String) -> Int {
        let path = folder.file(out + "/tokens.safetensors")
        return (try? Data(contentsOf: URL(fileURLWithPath: path)).count) ?? 0
    }

    @Test("text files may begin with a dash, wherever they stand in a list")
    func dashes() throws {
        let rest = "--config c.json --out"
        for (out, files) in [("one", "--data u.txt"), ("two", "--data -t.txt -h.txt")] {
            let run = try train("\(files) \(rest) \(out)")
            #expect(run.code == 0 && run.output.contains("\(out)/model.gguf"), "\(run.error)")
        }
        #expect(tokens("two") > tokens("one") * 3 / 2)
        let other = try train(
            "--data u.txt -t.txt --data=-h.txt --validation --v.txt \(rest) three --json")
        #expect(other.code == 0, "\(other.error)")
        let typo = try train("--data u.txt --stpes 3 --out four")
        #expect(typo.code == 64 && typo.error.contains("Did you mean '--steps'"))
        let none = try train("--data --out five")
        #expect(none.code == 64 && none.error.contains("'--out' is an option"))
        #expect(try !folder.names.contains("five"))
    }

    @Test("one of a thing is one")
    func one() throws {
        let run = try train("--data u.txt --config c.json --threads 1 --out out")
        #expect(run.code == 0 && run.output.hasPrefix("1 step, "), "\(run)")
        #expect(run.error.contains("; 1 step, 1 thread\n"), "\(run.error)")
        let again = try train("--out out --resume --threads 1")
        #expect(again.error.contains("1 step is done, the length is 1 step;"), "\(again.error)")
        for said in [run.output, run.error, again.output, again.error] {
            #expect(!said.contains(#/\b1 (steps|threads|tokens|bytes)\b/#), "\(said)")
        }
    }

    @Test("- is standard input for text and configuration, once")
    func standardInput() throws {
        for (out, arguments) in [
            ("one", "--data - --config c.json"),
            ("two", "--data u.txt --validation - --config c.json"),
        ] {
            let run = try train("\(arguments) --out \(out)", before: "cat ./-t.txt |")
            #expect(run.code == 0, "\(run.error)")
        }
        for source in ["-", "/dev/stdin", "<(cat c.json)"] {
            let out = "from\(source.count)"
            let run = try train(
                "--data u.txt --config \(source) --out \(out)", before: "cat c.json |")
            #expect(run.code == 0, "\(source): \(run.error)")
        }
        let twice = try train("--data - --validation /dev/stdin --out x")
        #expect(twice.code == 64 && twice.error.contains("once"))
        let closed = try train("--data - --config c.json --out y <&-")
        #expect(
            closed.code == 1
                && closed.error.contains("standard input: cannot be read: it is closed"))
    }

    @Test("a configuration that cannot be used is one line that says why")
    func configurations() throws {
        try folder.write("empty.json", "{}")
        try folder.write("text.json", "Once upon a time")
        let whole = try String(contentsOfFile: folder.file("c.json"), encoding: .utf8)
        try folder.write(
            "type.json",
            whole.replacingOccurrences(of: "\"hiddenSize\":64", with: "\"hiddenSize\":\"a\""))
        for (file, words) in [
            (".", "it is a folder, not a file"), ("no.json", "neither tiny nor small"),
            ("empty.json", "'shape' is missing"), ("text.json", "it is not JSON"),
            ("type.json", "'shape.hiddenSize' is no Int"),
        ] {
            let run = try train("--data u.txt --config \(file) --out x")
            #expect(run.code == 1 && run.errorLines.count == 1 && run.output.isEmpty)
            #expect(run.error.contains("\(file): ") && run.error.contains(words), "\(run.error)")
        }
    }

    @Test("what is no folder is named, before anything is read")
    func outputs() throws {
        try folder.write("file", "x")
        symlink("nowhere", folder.file("link"))
        mkfifo(folder.file("pipe"), 0o600)
        for (out, words) in [
            ("file", "it is a file, not a folder"), ("file/x", "is a file, not a folder"),
            ("link", "it is a link to something that is not there"),
            ("link/x", "it is a link to something that is not there"),
            ("/dev/null", "it is a device, not a folder"), ("pipe", "it is a pipe, not a folder"),
        ] {
            let run = try train("--data u.txt --config c.json --out \(out)")
            #expect(run.code == 1 && run.errorLines.count == 1 && run.output.isEmpty)
            #expect(run.error.contains("cannot be written: "), "\(run.error)")
            #expect(run.error.contains(words), "\(run.error)")
        }
        #expect(try !folder.names.contains("nowhere"))
    }
}
