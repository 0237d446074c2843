"""The address book."""

from django.contrib import admin
from django.contrib.auth import views as auth
from django.urls import include, path, reverse_lazy
from django.views.generic import RedirectView

from api.views.house import healthz

urlpatterns = [
    path("", RedirectView.as_view(url=reverse_lazy("admin:index"))),
    path(
        "admin/password/<uidb64>/<token>/",
        auth.PasswordResetConfirmView.as_view(
            success_url=reverse_lazy("admin:login"),
        ),
        name="password_reset_confirm",
    ),
    path("admin/", admin.site.urls),
    path("api/", include("api.urls")),
    path("healthz", healthz),
]
