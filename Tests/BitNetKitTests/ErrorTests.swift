import BitNetKit
import Testing

@Suite("Errors")
struct ErrorTests {
    @Test("an error's description is one line that names the file")
    func oneLine() {
        let error = BitNetError.malformedFile(path: "model.gguf", detail: "truncated at byte 12")
        #expect("\(error)" == "model.gguf: truncated at byte 12")
    }
}
