import 'dart:math' as math;
import 'package:app/app.dart' show App;

/// A circle.
@immutable
class Circle extends Shape with Named {
  final double radius;

  /// Makes one.
  const Circle(this.radius);

  Circle.unit() : radius = 1 {
    check();
  }

  /// Its area.
  @override
  double area() {
    // exact
    return math.pow(radius, 2) * math.pi;
  }

  String get name => 'void fake() {}';
}

mixin Named {
  void say() => print(name);
}

enum Size { small, large }

extension Wide on String {
  String widen() => this * 2;
}

typedef Make = Circle Function(int);

double twice(double x) {
  return x * 2;
}

void main() {
  runApp(twice(1));
}
