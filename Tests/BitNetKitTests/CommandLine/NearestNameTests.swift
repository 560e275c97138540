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
}
