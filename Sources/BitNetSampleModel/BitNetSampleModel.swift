public import Foundation

/// Where the sample model lives inside the package.
public enum BitNetSampleModel {
    /// The GGUF file of the sample model.
    public static var url: URL {
        Bundle.module.url(forResource: "stories", withExtension: "gguf")
            ?? Bundle.module.bundleURL.appendingPathComponent("stories.gguf")
    }
}
