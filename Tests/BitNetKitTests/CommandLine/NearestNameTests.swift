import BitNetTerminal
import Testing

@Suite("Names that are near")
struct NearestNameTests {
    private let names = ["generate", "chat", "embed", "plan", "perplexity", "hex", "help"]

    @Test(
        "typing errors, beginnings and capitals are seen through; other words are not",
        arguments: [
            ("generat", "generate"), ("genreate", "generate"), ("geenerate", "generate"),
            ("Generate", "generate"), ("g", "generate"), ("caht", "chat"), ("hx", "hex"),
            ("plam", "plan"), ("perplexty", "perplexity"), ("", nil), ("p", nil), ("xyz", nil),
            ("translate", nil), ("é", nil), (String(repeating: "a", count: 100_000), nil),
        ] as [(String, String?)])
    func nearest(_ word: String, _ name: String?) {
        #expect(nearestName(to: word, among: names) == name)
    }

    @Test(
        "dashes do not count where nothing is near with them, nor what comes behind a beginning",
        arguments: [
            ("bitnet2b", "bitnet-2b-4t"), ("bitnet3b", "bitnet-3b"),
            ("BitNet_2B_4T", "bitnet-2b-4t"),
            ("falcon37b", "falcon3-7b"), ("llama", nil), ("---", nil), ("gpt-2", nil),
        ] as [(String, String?)])
    func dashes(_ word: String, _ name: String?) {
        let shapes = ["bitnet-2b-4t", "bitnet-3b", "falcon3-7b", "llama3-8b", "llama-70b"]
        #expect(nearestName(to: word, among: shapes) == name)
    }

    @Test(
        "a word for the shell is one word there, and plain where it can be",
        arguments: [
            ("out/model-1.gguf", "out/model-1.gguf"), ("é", "é"), ("", "''"), ("a b", "'a b'"),
            ("$HOME", "'$HOME'"), ("it's", #"'it'\''s'"#), ("~/x", "'~/x'"), ("a\nb", "'a\nb'"),
        ])
    func shellWord(_ text: String, _ word: String) { #expect(text.shellWord == word) }
}
