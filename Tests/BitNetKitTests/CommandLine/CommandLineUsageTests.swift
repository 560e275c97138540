import BitNetKit
import BitNetSampleModel
import Foundation
import TestSupport
import Testing

/// What somebody meets who has not read anything: names, help, versions, short options.
@Suite("Command line: usage", .enabled(if: bitnetExecutable != nil))
struct CommandLineUsageTests {
    private let model = (try? BitNetSampleModel.url.path) ?? "no sample model"

    static let commands = [
        "", "generate", "chat", "embed", "logits", "tokenize", "convert", "inspect", "hex", "plan",
        "verify", "perplexity", "train", "bench", "bench matmul", "bench model", "bench compare",
        "bench head", "bench sparsity", "demo", "demo rounding", "demo width", "demo zeros",
        "demo layers", "doctor", "manual",
    ]

    private static func words(_ line: String) -> [String] {
        line.split(separator: " ").map(String.init)
    }

    @Test(
        "a command that does not exist is wrong usage, and the one that was meant is named",
        arguments: [
            ("generat hi", "'generate'"), ("help generat", "'generate'"), ("CHAT", "'chat'"),
            ("help bench matmull", "'matmul'"), ("bench modle", "'model'"), ("ver", "'verify'"),
            ("demo with", "'width'"), ("docotr --json", "'doctor'"), ("help nope", "lists them"),
            ("nope", "lists them"), ("bench nope", "lists them"), ("help generate nope", "lists"),
        ])
    func names(_ line: String, _ meant: String) throws {
        let run = try CommandLineTests.bitnet(Self.words(line))
        #expect(run.code == 64 && run.output.isEmpty)
        #expect(run.errorLines.count == 1 && run.error.hasPrefix("error: "))
        #expect(run.error.contains(meant), "\(run.error)")
        #expect(run.error.contains("did you mean") == meant.hasPrefix("'"), "\(run.error)")
    }

    @Test(
        "every command has help of a screen's height, and more where it says so",
        arguments: commands)
    func help(_ command: String) throws {
        let help = try CommandLineTests.bitnet(["help"] + Self.words(command))
        #expect(help.code == 0 && help.error.isEmpty)
        let lines = help.output.trimmingCharacters(in: .newlines)
            .split(separator: "\n", omittingEmptySubsequences: false)
        // What people ask for first fits a small terminal.
        let most = ["generate", "chat"].contains(command) ? 30 : 45
        #expect(lines.count <= most && lines.allSatisfy { $0.count <= 80 }, "\(help.output)")
        let all = try CommandLineTests.bitnet(Self.words(command) + ["--help-hidden"])
        let isMore = all.output.contains(" OPTIONS:\n")
        #expect(all.code == 0)
        #expect(help.output.contains("--help-hidden") == isMore, "\(help.output)")
    }

    @Test(
        "the parser's complaints begin with error: and say nothing of it again",
        arguments: [
            ["generate", "--max-tokens", "x"], ["generate", "--nope"], ["generate", "a", "b"],
            ["generate", "--top-p", "2"], ["logits"], ["generate", "--isa", "avx1024"],
            ["convert", "in"], ["bench", "model", "--head", "q9"], ["plan", "--threads", "0", "x"],
        ])
    func complaints(_ arguments: [String]) throws {
        let run = try CommandLineTests.bitnet(arguments)
        #expect(run.code == 64 && run.output.isEmpty)
        #expect(run.error.hasPrefix("error: "), "\(run.error)")
        #expect(run.error.lowercased().ranges(of: "error:").count == 1, "\(run.error)")
        let path = arguments[0] == "bench" ? "bitnet bench model" : "bitnet \(arguments[0])"
        #expect(run.error.contains("Usage: \(path)"), "\(run.error)")
    }

    @Test("the version is semantic, and every command tells it")
    func version() throws {
        #expect(
            BitNetKit.version.wholeMatch(
                of: #/(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?/#) != nil)
        for command in ["", "generate", "bench head"] {
            let run = try CommandLineTests.bitnet(Self.words(command) + ["--version"])
            #expect(run.code == 0 && run.error.isEmpty)
            #expect(
                run.output == "bitnet \(BitNetKit.version) (kernels: \(KernelSet.best.name))\n")
        }
    }

    @Test("the version that is tagged is in the changelog")
    func changelog() throws {
        let text = try String(
            contentsOf: ReferenceData.packageRoot.appendingPathComponent(".github/CHANGELOG.md"),
            encoding: .utf8)
        let isTagged = !BitNetKit.version.contains("-")
        #expect(text.contains("\n## \(isTagged ? BitNetKit.version : "Unreleased")"))
    }

    @Test("short options are the long ones, and quiet leaves only the text")
    func shortOptions() throws {
        let common = ["--temperature", "0", "--quiet"]
        let long = try CommandLineTests.bitnet(
            [
                "generate", "--model", model, "--prompt", "A cat", "--max-tokens", "5",
                "--threads", "1", "--context", "20",
            ] + common)
        let short = try CommandLineTests.bitnet(
            [
                "generate", "-m", model, "-p", "A cat", "-n", "5", "-t", "1", "-c", "20",
                "--temperature", "0", "-q",
            ])
        #expect(long.code == 0 && long.error.isEmpty && long.output.hasPrefix("A cat"))
        #expect(short.output == long.output && short.error.isEmpty)
        let full = try CommandLineTests.bitnet(
            ["generate", "-p", "A cat", "-n", "500", "-c", "5", "--temperature", "0"])
        #expect(full.code == 0 && full.error.contains("the context's length"))
        let loud = try CommandLineTests.bitnet(["generate", "-n", "1"])
        #expect(loud.error.contains("no prompt given") && loud.error.contains("loaded in"))
        let plan = try CommandLineTests.bitnet(["plan", model, "-c", "64", "-t", "1", "--no-speed"])
        #expect(plan.output.contains("64 tokens as f16"))
    }

    @Test("without a model every command takes the sample model")
    func sampleModel() throws {
        for command in [
            ["tokenize", "a cat"], ["logits", "--tokens", "1"], ["embed", "a cat"],
            ["generate", "a cat", "-n", "2", "--temperature", "0"],
        ] {
            let plain = try CommandLineTests.bitnet(command)
            #expect(plain.code == 0)
            #expect(
                try CommandLineTests.bitnet(command + ["--model", model]).output == plain.output)
        }
    }

    @Test(
        "standard input is the prompt, with and without a model; the story begins only without it")
    func standardInput() throws {
        let options = "generate -n 3 --temperature 0"
        let expected = try shell("\"$0\" \(options) 'My dog'").output
        #expect(expected.hasPrefix("My dog"))
        for script in [
            "echo 'My dog' | \"$0\" \(options)", "echo 'My dog' | \"$0\" \(options) -m \"$1\"",
            "printf 'My dog' | \"$0\" \(options)",
        ] {
            let run = try shell(script, model)
            #expect(run.code == 0 && run.output == expected, "\(script)")
            #expect(!run.error.contains("no prompt given"))
        }
        for script in ["</dev/null", "<&-", "--grammar <(echo 'root ::= \"x\"') </dev/null"] {
            let run = try shell("\"$0\" \(options) \(script)")
            #expect(run.code == 0 && run.output.hasPrefix("Once upon a time"), "\(script)")
            #expect(run.error.contains("no prompt given"))
        }
        // Nothing is written before the program has said that it waits, however slow the machine is.
        let folder = try TemporaryFolder()
        let slow = try shell(
            """
            cd '\(folder.file("."))' && mkfifo input && { "$0" \(options) <input 2>error & }
            exec 3>input
            for _ in {1..600}; do ! grep -q waiting error || break; sleep 0.1; done
            echo 'My dog' >&3; exec 3>&-
            wait; cat error >&2
            """)
        #expect(slow.output == expected && slow.error.hasPrefix("waiting for a prompt"))
    }

    @Test(
        "a prompt of minus signs is a prompt, wherever it stands",
        arguments: ["---", "----", "----------------"])
    func minusSigns(_ prompt: String) throws {
        let common = ["-n", "0", "-q"]
        let expected = prompt + "\n"
        for arguments in [
            ["generate", prompt] + common, ["generate"] + common + [prompt],
            ["generate", "-n", "0", prompt, "--quiet"], ["generate", "-p", prompt] + common,
            ["generate", "--quiet", prompt, "--max-tokens", "0"],
            ["generate", "--prompt=\(prompt)"] + common, ["generate"] + common + ["--", prompt],
        ] {
            let run = try CommandLineTests.bitnet(arguments)
            #expect(run.code == 0 && run.output == expected, "\(arguments): \(run.error)")
        }
        let texts = try CommandLineTests.bitnet(["embed", "a", prompt, "-t", "1", "b", "--", "-c"])
        let found = texts.output.split(separator: "\n").map {
            String($0.prefix { $0 != "," })
        }
        #expect(
            found == ["a", prompt, "b", "-c"].map { "{\"text\":\"\($0)\"" }, "\(texts.error)")
    }

    @Test("a model's name on Hugging Face is told how to fetch it, a missing file is not")
    func hubNames() throws {
        let id = "microsoft/bitnet-b1.58-2B-4T"
        for name in [id, "https://huggingface.co/\(id)", "hf.co/\(id)/tree/main", "hf:\(id)"] {
            for arguments in [
                ["generate", "a", "-m", name], ["inspect", name], ["plan", name],
                ["tokenize", "a", "-m", name], ["convert", name, "out.gguf"],
            ] {
                let run = try CommandLineTests.bitnet(arguments)
                #expect(run.code == 1 && run.errorLines.count == 1)
                let hint = "hf download \(id) --local-dir bitnet-b1.58-2B-4T; then name the folder"
                #expect(run.error.contains(hint), "\(arguments): \(run.error)")
            }
        }
        let gguf = try CommandLineTests.bitnet(["generate", "a", "-m", id + "-gguf"])
        #expect(gguf.error.contains("the .gguf file in bitnet-b1.58-2B-4T-gguf"))
        for name in ["no/such.gguf", "/no/model", "model", "a/b/c", "../x", "Tests/x", "x y/z", ""]
        {
            let run = try shell(
                "cd \"$1\"; \"$0\" generate a -m \"$2\"", ReferenceData.packageRoot.path, name)
            #expect(run.code == 1 && !run.error.contains("hf download"), "\(run.error)")
        }
    }

    @Test(
        "completions know files and folders, and the values of options", arguments: ["bash", "zsh"])
    func completions(_ shell: String) throws {
        let run = try CommandLineTests.bitnet(["--generate-completion-script", shell])
        #expect(run.code == 0)
        let script = run.output
        #expect(script.contains("--max-tokens") && script.contains("perplexity"))
        #expect(
            script.contains(shell == "zsh" ? "_files" : "__bitnet_add_completions -f")
                || script.contains("compgen -f"), "\(script.prefix(2000))")
    }

    @Test("the manual page has every command and option, and roff reads it without complaint")
    func manual() throws {
        let page = try CommandLineTests.bitnet(["manual"])
        #expect(page.code == 0 && page.output.hasPrefix(".TH BITNET 1 20"))
        for command in Self.commands where !["", "bench", "demo"].contains(command) {
            #expect(page.output.contains(".SS bitnet \(command)\n"))
            let help = try CommandLineTests.bitnet(Self.words(command) + ["--help-hidden"]).output
            for option in help.matches(of: #/^  (?:-., )?(--[a-z0-9-]+)/#.anchorsMatchLineEndings())
            {
                let name = option.1.replacingOccurrences(of: "-", with: "\\-")
                #expect(page.output.contains("\\fB\(name)\\fR"), "\(command) \(option.1)")
            }
        }
        let lint = try shell(
            "if command -v groff >/dev/null; then \"$0\" manual | groff -man -Tutf8 -ww -z 2>&1; fi; "
                + "if command -v mandoc >/dev/null; "
                + "then \"$0\" manual | mandoc -T lint -W warning 2>&1; fi")
        #expect(lint.code == 0 && lint.output.isEmpty, "\(lint.output)")
    }
}
