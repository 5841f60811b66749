package org.tinybert.demo.device;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.File;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.URL;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.json.JSONArray;
import org.json.JSONObject;
import org.junit.jupiter.api.Test;
import org.tinybert.demo.app.TensorFlowLiteEngineFactory;
import org.tinybert.demo.core.Answers;
import org.tinybert.demo.core.Bundle;
import org.tinybert.demo.core.BundleSource;
import org.tinybert.demo.core.EngineException;
import org.tinybert.demo.core.LabelScore;
import org.tinybert.demo.core.TextClassifier;
import org.tinybert.demo.core.TextModel;

/**
 * The classes that ProGuard left for the APK. In Java, as Kotlin's own library is shrunk, too: what
 * a test in Kotlin needs of it may not be there.
 */
class ShrunkAppTest {
    private static final File BUNDLES = new File("../desktop/src/test/resources");
    private static final TensorFlowLiteEngineFactory FACTORY = TensorFlowLiteEngineFactory.INSTANCE;

    @Test
    void theClassesAreThoseOfTheApk() {
        URL place = FACTORY.getClass().getProtectionDomain().getCodeSource().getLocation();
        assertTrue(place.getPath().endsWith("shrunk.jar"), place.getPath());
        assertThrows(
                ClassNotFoundException.class, () -> Class.forName("kotlin.random.XorWowRandom"));
    }

    @Test
    void resultsAreThoseOfPython() throws IOException {
        Folder folder = new Folder(new File(BUNDLES, "classification_bundle"));
        Bundle bundle = Bundle.Companion.read(folder, FACTORY.getRuntimeVersion());
        JSONArray examples = folder.golden();
        try (TextClassifier classifier =
                TextClassifier.Companion.open(bundle, FACTORY, "model_multi.tflite")) {
            for (int i = 0; i < examples.length(); i++) {
                JSONObject example = examples.getJSONObject(i);
                List<String> texts = new ArrayList<>();
                for (Object text : example.getJSONArray("texts")) texts.add((String) text);
                JSONArray expected =
                        example.getJSONObject("outputs")
                                .getJSONObject("model_multi.tflite")
                                .getJSONArray("probability");
                List<LabelScore> actual = classifier.classify(texts).getScores();
                for (int label = 0; label < expected.length(); label++) {
                    assertEquals(expected.getFloat(label), actual.get(label).getScore(), 1e-5f);
                }
            }
        }
        assertTrue(examples.length() >= 8);
    }

    @Test
    void answersAreThoseOfPython() throws IOException {
        Folder folder = new Folder(new File(BUNDLES, "span_bundle"));
        Bundle bundle = Bundle.Companion.read(folder, FACTORY.getRuntimeVersion());
        JSONObject example = folder.golden().getJSONObject(0);
        JSONArray texts = example.getJSONArray("texts");
        JSONArray expected =
                example.getJSONObject("answers").getJSONArray("model_multi.tflite");
        try (TextModel model = TextModel.Companion.open(bundle, FACTORY, "model_multi.tflite")) {
            List<String> question = Arrays.asList(texts.getString(0), texts.getString(1));
            Answers answers = (Answers) model.run(question, () -> true);
            String best = expected.getJSONObject(0).getString("text");
            assertEquals(best, answers.getAnswer().getText());
        }
    }

    @Test
    void refusalsHaveTheirMessages() {
        Throwable failure =
                assertThrows(
                        EngineException.class,
                        () -> FACTORY.create(ByteBuffer.allocateDirect(8)));
        assertTrue(failure.getMessage().startsWith("TensorFlow Lite refuses the model"));
    }

    /** The app reads no folders, so the shrunk classes have no reader of them. */
    private static final class Folder implements BundleSource {
        private final File folder;

        Folder(File folder) {
            this.folder = folder;
        }

        JSONArray golden() throws IOException {
            byte[] bytes = Files.readAllBytes(new File(folder, "golden.json").toPath());
            String text = new String(bytes, StandardCharsets.UTF_8);
            return new JSONObject(text).getJSONArray("examples");
        }

        @Override
        public Set<String> names() {
            Set<String> names = new HashSet<>();
            for (File file : folder.listFiles()) names.add(file.getName());
            return names;
        }

        @Override
        public InputStream open(String name) {
            // Kotlin's interface declares no checked exceptions.
            try {
                return new FileInputStream(new File(folder, name));
            } catch (IOException failure) {
                throw new UncheckedIOException(failure);
            }
        }

        @Override
        public ByteBuffer map(String name) {
            return null;
        }

        @Override
        public boolean isKnownWhole(String sha256) {
            return false;
        }

        @Override
        public void rememberWhole(String sha256) {}
    }
}
