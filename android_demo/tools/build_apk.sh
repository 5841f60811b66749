#!/usr/bin/env bash
# Builds, signs and checks the APK with Maven Central and Debian's tools alone.
#
#   tools/build_apk.sh [--bundle FOLDER] [--output FILE] [--abis ABI,...] [--built]
#
#   --bundle   the bundle to put into the app; without it, app/src/main/assets/bundle, where
#              `python -m tinybert_tf.export ... --android android_demo` puts one. If that is not
#              there either, the app asks for a bundle when it starts.
#   --output   the APK; without it, app/target/demo.apk
#   --abis     of arm64-v8a, armeabi-v7a, x86, x86_64; without it, arm64-v8a
#   --built    takes the code that `mvn verify` has just built
#
# It is signed with the debug key that Android's tools share, ~/.android/debug.keystore, made if it
# is not there. Not for a store: there the key is yours, and Gradle builds a smaller app with R8.
set -euo pipefail

fail() {
  echo "build_apk.sh: $*" >&2
  exit 1
}

need() {
  command -v "$1" > /dev/null ||
    fail "$1 is not installed. On Debian: apt-get install $2, or tools/install_tools.sh for all."
}

demo=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
bundle=
output=$demo/app/target/demo.apk
abis=arm64-v8a
built=
while [ $# -gt 0 ]; do
  case $1 in
    --built)
      built=yes
      shift
      continue
      ;;
    --bundle | --output | --abis) [ $# -gt 1 ] || fail "$1 has no value." ;;
    *) fail "$1 is unknown; expected --bundle FOLDER, --output FILE, --abis ABI,... or --built" ;;
  esac
  case $1 in
    --bundle) bundle=$(realpath --canonicalize-missing "$2") ;;
    --output) output=$(realpath --canonicalize-missing "$2") ;;
    --abis) abis=$2 ;;
  esac
  shift 2
done

need javac openjdk-17-jdk-headless
need mvn maven
need aapt aapt
need zipalign zipalign
need apksigner apksigner
need zip zip
need unzip unzip

if [ -n "$bundle" ]; then
  [ -f "$bundle/bundle.json" ] ||
    fail "$bundle has no bundle.json; name the folder that python -m tinybert_tf.export wrote."
elif [ -f "$demo/app/src/main/assets/bundle/bundle.json" ]; then
  bundle=$demo/app/src/main/assets/bundle
else
  echo "build_apk.sh: no bundle; the app will ask for one when it starts." >&2
fi

# === Code ===

cd "$demo"
if [ -z "$built" ]; then
  mvn --quiet --batch-mode --projects app,tools/apk_check --also-make \
    -Dmaven.test.skip=true package ||
    fail "the code could not be built; what Maven says is above."
elif [ ! -f app/target/classes.dex ]; then
  fail "$demo/app/target has no classes.dex: nothing has been built. Leave --built out."
fi

# === Files of the APK ===

target=$demo/app/target
stage=$target/apk
rm -rf "$stage"
mkdir -p "$stage/assets" "$stage/root/lib" "$(dirname "$output")"
if [ -n "$bundle" ]; then
  mkdir "$stage/assets/bundle"
  find "$bundle" -maxdepth 1 -type f -exec cp {} "$stage/assets/bundle/" \;
fi
# The files that classes read beside themselves, such as core's table of characters.
unzip -q "$target/shrunk.jar" -x '*.class' 'META-INF/*' -d "$stage/root"
cp "$target/classes.dex" "$stage/root/"
for abi in ${abis//,/ }; do
  libraries=$demo/runtime/target/aar/jni/$abi
  [ -d "$libraries" ] ||
    fail "there is no library for $abi, only for $(cd "$demo/runtime/target/aar/jni" && echo *)."
  mkdir "$stage/root/lib/$abi"
  cp "$libraries"/*.so "$stage/root/lib/$abi/"
done

# === APK ===

cp "$target/resources.apk" "$stage/unaligned.apk"
# Stored, not compressed, is what the runtime and the system read in place.
(cd "$stage" && zip --quiet --recurse-paths --suffixes .tflite:.so unaligned.apk assets) ||
  fail "the assets could not be added."
(cd "$stage/root" && zip --quiet --recurse-paths --suffixes .tflite:.so ../unaligned.apk .) ||
  fail "the code and libraries could not be added."

# Pages of 16 KB if this zipalign knows them, otherwise of 4 KB.
pages=(-p)
if zipalign 2>&1 | grep -q pagesize_kb; then pages=(-P 16); fi
zipalign -f "${pages[@]}" 4 "$stage/unaligned.apk" "$stage/aligned.apk" || fail "zipalign failed."

keystore=$HOME/.android/debug.keystore
if [ ! -f "$keystore" ]; then
  mkdir -p "$(dirname "$keystore")"
  keytool -genkeypair -keystore "$keystore" -storepass android -keypass android \
    -alias androiddebugkey -dname 'CN=Android Debug,O=Android,C=US' \
    -keyalg RSA -keysize 2048 -validity 10000 2> "$stage/keytool.log" ||
    fail "the debug key could not be made: $(cat "$stage/keytool.log")"
  echo "build_apk.sh: made the debug key $keystore" >&2
fi
apksigner sign --ks "$keystore" --ks-pass pass:android --ks-key-alias androiddebugkey \
  --out "$stage/signed.apk" "$stage/aligned.apk" || fail "apksigner could not sign."

# === Checks ===

apksigner verify "$stage/signed.apk" || fail "apksigner does not verify the APK."
check=$demo/tools/apk_check/target
java -cp "$check/classes:$(cat "$check/classpath.txt")" org.tinybert.demo.apkcheck.MainKt \
  "$stage/signed.apk" "$abis" ||
  fail "the APK has the problems above; it stays in $stage/signed.apk."
mv "$stage/signed.apk" "$output"
echo "$output"
